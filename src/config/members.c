/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* struct config's members by key: set, compare, copy. */

#include "config/keys.h"

#include <stdio.h>

#include "config/text.h"

static void *member(const struct config *c, const struct config_key *k)
{
    return (char *)(uintptr_t)c + k->offset;
}

void config_key_set_number(struct config *c, const struct config_key *k, int64_t v)
{
    void *m = member(c, k);

    switch (k->spec.type) {
    case VALUE_BOOL:
        *(bool *)m = v != 0;
        break;
    case VALUE_WORD:
        *(int *)m = (int)v;
        break;
    default:
        gq_assert(value_is_number(k->spec.type));
        *(int64_t *)m = v;
        break;
    }
}

int64_t config_key_number(const struct config *c, const struct config_key *k)
{
    const void *m = member(c, k);

    switch (k->spec.type) {
    case VALUE_BOOL:
        return *(const bool *)m;
    case VALUE_WORD:
        return *(const int *)m;
    default:
        gq_assert(value_is_number(k->spec.type));
        return *(const int64_t *)m;
    }
}

const char *config_key_text(const struct config *c, const struct config_key *k)
{
    gq_assert(k->shape == CONFIG_SCALAR && !value_is_number(k->spec.type));
    return *(char *const *)member(c, k);
}

static void store_text(struct config *c, const struct config_key *k, const char *text)
{
    char **m = member(c, k);

    free(*m);
    *m = text != NULL ? xstrdup(text) : NULL;
}

static void list_add(struct config_list *list, const char *text)
{
    list->items = xrealloc(list->items, (list->n + 1) * sizeof(*list->items));
    list->items[list->n++] = xstrdup(text);
}

static void peers_append(struct config_peers *peers, const char *node_id, size_t node_id_size, const char *raft_addr,
                         bool is_controller)
{
    peers->items = xrealloc(peers->items, (peers->n + 1) * sizeof(*peers->items));
    peers->items[peers->n++] = (struct config_peer){
        .node_id = xstrndup(node_id, node_id_size),
        .raft_addr = xstrdup(raft_addr),
        .is_controller = is_controller,
    };
}

static int set_peer(struct config_peers *peers, const char *text, struct error_text *err)
{
    char quoted[VALUE_QUOTED_SIZE];
    struct text_peer p;

    value_quote(text, quoted);
    if (!text_parse_peer(text, &p)) {
        error_setf(err, "%s is not a peer (like n1=127.0.0.1:7001 or c1=controller:127.0.0.1:7002)", quoted);
        return -EINVAL;
    }
    if (peers->n == CONFIG_LIST_MAX) {
        error_setf(err, "more than %d items", CONFIG_LIST_MAX);
        return -E2BIG;
    }
    for (size_t i = 0; i < peers->n; i++) {
        const char *other = peers->items[i].node_id;

        if (strlen(other) == p.id_size && memcmp(other, p.id, p.id_size) == 0) {
            error_setf(err, "'%s' is listed twice", other);
            return -EINVAL;
        }
    }
    peers_append(peers, p.id, p.id_size, p.address, p.is_controller);
    return 0;
}

static int set_list_item(struct config *c, const struct config_key *k, const char *text, struct error_text *err)
{
    struct config_list *list = member(c, k);
    int r = value_parse(&k->spec, text, NULL, err);

    if (r < 0)
        return r;
    if (list->n == CONFIG_LIST_MAX) {
        error_setf(err, "more than %d items", CONFIG_LIST_MAX);
        return -E2BIG;
    }
    list_add(list, text);
    return 0;
}

int config_key_set(struct config *c, const struct config_key *k, const char *text, struct error_text *err)
{
    int64_t number = 0;
    int r;

    if (k->shape == CONFIG_PEERS)
        return set_peer(member(c, k), text, err);
    if (k->shape == CONFIG_LIST)
        return set_list_item(c, k, text, err);
    /* An empty text unsets what may be unset. */
    if (!value_is_number(k->spec.type) && k->default_text == NULL && text[0] == '\0') {
        store_text(c, k, NULL);
        return 0;
    }
    r = value_parse(&k->spec, text, &number, err);
    if (r < 0) {
        if (k->flags & CONFIG_SECRET)
            error_setf(err, "must be at most %d bytes", (int)k->spec.max);
        return r;
    }
    if (value_is_number(k->spec.type))
        config_key_set_number(c, k, number);
    else
        store_text(c, k, text);
    return 0;
}

void config_key_clear(struct config *c, const struct config_key *k)
{
    if (k->shape == CONFIG_LIST) {
        struct config_list *list = member(c, k);

        for (size_t i = 0; i < list->n; i++)
            free(list->items[i]);
        free(list->items);
        *list = (struct config_list){ 0 };
    } else if (k->shape == CONFIG_PEERS) {
        struct config_peers *peers = member(c, k);

        for (size_t i = 0; i < peers->n; i++) {
            free(peers->items[i].node_id);
            free(peers->items[i].raft_addr);
        }
        free(peers->items);
        *peers = (struct config_peers){ 0 };
    } else if (!value_is_number(k->spec.type)) {
        store_text(c, k, NULL);
    }
}

static bool texts_equal(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool lists_equal(const struct config_list *a, const struct config_list *b)
{
    if (a->n != b->n)
        return false;
    for (size_t i = 0; i < a->n; i++) {
        if (strcmp(a->items[i], b->items[i]) != 0)
            return false;
    }
    return true;
}

static bool peers_equal(const struct config_peers *a, const struct config_peers *b)
{
    if (a->n != b->n)
        return false;
    for (size_t i = 0; i < a->n; i++) {
        const struct config_peer *x = &a->items[i], *y = &b->items[i];

        if (strcmp(x->node_id, y->node_id) != 0 || strcmp(x->raft_addr, y->raft_addr) != 0 ||
            x->is_controller != y->is_controller)
            return false;
    }
    return true;
}

bool config_key_equal(const struct config *a, const struct config *b, const struct config_key *k)
{
    if (k->shape == CONFIG_LIST)
        return lists_equal(member(a, k), member(b, k));
    if (k->shape == CONFIG_PEERS)
        return peers_equal(member(a, k), member(b, k));
    if (value_is_number(k->spec.type))
        return config_key_number(a, k) == config_key_number(b, k);
    return texts_equal(config_key_text(a, k), config_key_text(b, k));
}

void config_key_copy(struct config *to, const struct config *from, const struct config_key *k)
{
    config_key_clear(to, k);
    if (k->shape == CONFIG_LIST) {
        const struct config_list *list = member(from, k);

        for (size_t i = 0; i < list->n; i++)
            list_add(member(to, k), list->items[i]);
    } else if (k->shape == CONFIG_PEERS) {
        const struct config_peers *peers = member(from, k);

        for (size_t i = 0; i < peers->n; i++) {
            const struct config_peer *p = &peers->items[i];

            peers_append(member(to, k), p->node_id, strlen(p->node_id), p->raft_addr, p->is_controller);
        }
    } else if (value_is_number(k->spec.type)) {
        config_key_set_number(to, k, config_key_number(from, k));
    } else {
        store_text(to, k, config_key_text(from, k));
    }
    to->origin[config_key_id(k)] = from->origin[config_key_id(k)];
}
