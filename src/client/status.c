/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <curl/curl.h>
#include <stdio.h>

#include "base/dl.h"
#include "client/internal.h"

#define PATH "/cluster/status"
#define MAX_BODY_BYTES (64u << 20)

/* Only one command asks over HTTP, and libcurl brings a dozen libraries along. */
#define CURL_CALLS(X) \
    X(curl_easy_init) \
    X(curl_easy_setopt) X(curl_easy_perform) X(curl_easy_getinfo) X(curl_easy_cleanup) X(curl_easy_strerror)

CURL_CALLS(DL_POINTER)
static const struct dl_symbol symbols[] = { CURL_CALLS(DL_SYMBOL) };
DL_NOTE(curl, "libcurl.so.4", "recommended", "Asking brokers for their status over HTTP")

struct body {
    char *text;
    size_t size;
};

/* curl's write function: less than n is a failure. */
static size_t on_body(char *data, size_t one, size_t n, void *ctx)
{
    struct body *b = ctx;

    if (n > MAX_BODY_BYTES - b->size)
        return 0;
    b->text = xrealloc(b->text, b->size + n + 1);
    memcpy(b->text + b->size, data, n);
    b->size += n;
    b->text[b->size] = '\0';
    return n;
}

static int load(struct gq_error *err)
{
    struct error_text text;

    if (dl_load("libcurl.so.4", symbols, ARRAY_SIZE(symbols), &text) == 0)
        return 0;
    return error_set(err, -ENOSYS, "", "the status comes over HTTP, which needs libcurl: %s", text.text);
}

static int judge(const char *addr, CURLcode code, long status, const char *detail, const struct body *b,
                 struct gq_error *err)
{
    if (code == CURLE_OPERATION_TIMEDOUT)
        return error_set(err, -ETIMEDOUT, "", "%s: %s", addr, detail);
    if (code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST)
        return error_set(err, -EHOSTUNREACH, "", "%s: %s", addr, detail);
    if (code == CURLE_WRITE_ERROR)
        return error_set(err, -EMSGSIZE, "", "%s: the answer to " PATH " is larger than %u bytes", addr,
                         MAX_BODY_BYTES);
    if (code != CURLE_OK)
        return error_set(err, -EREMOTEIO, "", "%s: does not speak HTTP: %s", addr, detail);
    if (status != 200)
        return error_set(err, -EREMOTEIO, "", "%s: answers " PATH " with status %ld", addr, status);
    if (b->size == 0)
        return error_set(err, -EREMOTEIO, "", "%s: the answer to " PATH " is empty", addr);
    return 0;
}

static int ask(CURL *curl, const char *addr, int32_t timeout_ms, struct body *b, struct gq_error *err)
{
    char detail[CURL_ERROR_SIZE] = "";
    char *url = xasprintf("http://%s" PATH, addr);
    CURLcode code;
    long status = 0;

    dl_curl_easy_setopt(curl, CURLOPT_URL, url);
    dl_curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http");
    dl_curl_easy_setopt(curl, CURLOPT_PROXY, "");
    dl_curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    dl_curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
    dl_curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    dl_curl_easy_setopt(curl, CURLOPT_WRITEDATA, b);
    dl_curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, detail);
    code = dl_curl_easy_perform(curl);
    dl_curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    free(url);
    return judge(addr, code, status, detail[0] != '\0' ? detail : dl_curl_easy_strerror(code), b, err);
}

int gq_client_cluster_status(struct gq_client *client, char **ret_json, struct gq_error *err)
{
    struct body b = { 0 };
    CURL *curl;
    int r = load(err);

    if (r < 0)
        return r;
    curl = dl_curl_easy_init();
    if (curl == NULL)
        return error_set(err, -ENOMEM, "", "libcurl can't be used");
    for (size_t i = 0; i < client->n_addrs; i++) {
        b.size = 0;
        r = ask(curl, client->addrs[i], client_timeout_ms(client), &b, err);
        if (r == 0)
            break;
    }
    dl_curl_easy_cleanup(curl);
    if (r == 0)
        *ret_json = TAKE_PTR(b.text);
    free(b.text);
    return r;
}
