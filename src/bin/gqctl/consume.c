/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <unistd.h>

#include "bin/gqctl/format.h"
#include "bin/gqctl/gqctl.h"
#include "bin/gqctl/say.h"

#define WAIT_MS 100
#define OUTPUT_BUFFER_BYTES (1u << 20)

struct consuming {
    const struct settings *s;
    struct gq_consumer *consumer;
    struct progress progress;
    int64_t n, total, bytes;
    int32_t silent_ms; /* since the last message */
};

static void print_record_json(const struct gq_record *r)
{
    json_t *object = json_pack("{s:s, s:i, s:I, s:I}", "topic", r->topic, "partition", (int)r->partition, "offset",
                               (json_int_t)r->offset, "timestamp", (json_int_t)r->timestamp_ms);
    json_t *headers = json_array();

    json_set_bytes(object, "key", r->key, r->key_size);
    json_set_bytes(object, "value", r->value, r->value_size);
    for (size_t i = 0; i < r->n_headers; i++) {
        json_t *header = json_object();

        json_set_bytes(header, "name", r->headers[i].name, strlen(r->headers[i].name));
        json_set_bytes(header, "value", r->headers[i].value, r->headers[i].value_size);
        json_array_append_new(headers, header);
    }
    json_object_set_new(object, "headers", headers);
    print_json(object);
}

static void print_record(const struct settings *s, const struct gq_record *r)
{
    if (s->json) {
        print_record_json(r);
    } else if (s->format != NULL) {
        format_print(stdout, s->format, r);
    } else {
        format_bytes(stdout, r->value, r->value_size);
        putchar('\n');
    }
}

/* Nothing came. The user of a pipe or a terminal shall see what there is before it takes longer. */
static int wait_more(struct consuming *c, const struct gq_error *err)
{
    fflush(stdout);
    progress_show(&c->progress, c->n, c->total, c->bytes);
    c->silent_ms += WAIT_MS;
    if (c->s->follow || c->silent_ms < c->s->timeout_ms)
        return EXIT_SUCCESS;
    say_error("%s: no message within %d ms%s%s", c->s->topic, (int)c->s->timeout_ms, err->text[0] != '\0' ? ": " : "",
              err->text);
    return EX_TEMPFAIL;
}

/* An interrupt is how following ends. */
static int interrupted_status(const struct consuming *c)
{
    return c->s->follow && c->s->count < 0 ? EXIT_SUCCESS : EXIT_INTERRUPTED;
}

static int consume(struct consuming *c)
{
    struct gq_record record;
    struct gq_error err;
    int r, status = EXIT_SUCCESS;
    int32_t wait_ms = 0;

    while (status == EXIT_SUCCESS && (c->s->count < 0 || c->n < c->s->count)) {
        if (interrupted())
            return interrupted_status(c);
        r = gq_consumer_poll(c->consumer, wait_ms, &record, &err);
        wait_ms = r == 0 ? 0 : WAIT_MS;
        if (r == GQ_E_END)
            return EXIT_SUCCESS;
        if (r == -EAGAIN) {
            status = wait_more(c, &err);
        } else if (r < 0) {
            return say_failure(c->s->topic, r, &err);
        } else {
            print_record(c->s, &record);
            c->n++;
            c->silent_ms = 0;
            c->bytes += (int64_t)(record.key_size + record.value_size);
            progress_show(&c->progress, c->n, c->total, c->bytes);
            if (ferror(stdout))
                return EXIT_FAILURE;
        }
    }
    return status;
}

static int consume_from(struct consuming *c)
{
    struct gq_error err;
    int status, r = gq_consumer_add(c->consumer, c->s->topic, c->s->partition, c->s->offset, &err);

    if (r < 0)
        return say_failure(c->s->topic, r, &err);
    c->total = c->s->follow ? c->s->count : gq_consumer_remaining(c->consumer);
    if (c->s->count >= 0 && c->total > c->s->count)
        c->total = c->s->count;
    progress_init(&c->progress);
    /* On a terminal the messages themselves are the progress. */
    c->progress.is_on = c->progress.is_on && isatty(STDOUT_FILENO) != 1;
    status = consume(c);
    progress_end(&c->progress);
    return status;
}

int run_consume(struct run *run)
{
    struct consuming c = { .s = run->settings };
    struct error_text text;
    struct gq_error err;
    int r, status;

    if (c.s->format != NULL && format_check(c.s->format, &text) < 0) {
        say_error("%s", text.text);
        return EX_USAGE;
    }
    if (isatty(STDOUT_FILENO) != 1)
        setvbuf(stdout, NULL, _IOFBF, OUTPUT_BUFFER_BYTES);
    interrupt_catch();
    r = gq_consumer_new(run->client, c.s->follow, &c.consumer, &err);
    if (r < 0)
        return say_failure(NULL, r, &err);
    status = consume_from(&c);
    gq_consumer_free(c.consumer);
    trace_say("consumed %lld messages of %s", (long long)c.n, c.s->topic);
    return status;
}
