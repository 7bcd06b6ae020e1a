/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>

#include "meta/internal.h"

/* Version 2 says more, of brokers that form a cluster together and of topics with several replicas; version 3 of
 * brokers that had other data directories, and of topics with partitions that aren't where they were placed. */
#define VERSION_PLAIN 1
#define VERSION_CLUSTER 2
#define VERSION_CHANGED 3
/* Of others than topics: a broker's former data directories are most of it. */
#define RECORD_MAX (16u << 20)

static_assert(RECORD_MAX > 1000 + 5 * (4 + META_BROKER_TEXT_MAX) + META_FORMERS_MAX * (16 + 8),
              "a broker's record fits");
static_assert(META_TOPIC_RECORD_MAX < 1000u * 1000 * 1000, "SQLite takes a topic's record");

/* One allocation holds the record, its key and its value. */
static struct meta_record *record_new(uint16_t kind, struct slice key, const struct wr *value)
{
    size_t value_size = value != NULL ? wr_size(value) : 0;
    struct meta_record *rec = xmalloc(sizeof(*rec) + key.size + value_size);
    uint8_t *p = (uint8_t *)(rec + 1);

    *rec = (struct meta_record){ .kind = kind, .key = slice_make(p, key.size) };
    list_init(&rec->link);
    memcpy(p, key.data, key.size);
    if (value != NULL) {
        gq_assert(value->error == 0);
        memcpy(p + key.size, value->start, value_size);
        rec->value = slice_make(p + key.size, value_size);
    }
    return rec;
}

static void record_add(struct list *records, uint16_t kind, struct slice key, const struct wr *value)
{
    list_append(records, &record_new(kind, key, value)->link);
}

void meta_records_fini(struct list *records)
{
    struct list *link;

    while ((link = list_pop(records)) != NULL)
        free(list_entry(link, struct meta_record, link));
}

void meta_note_cluster(const struct meta *m, struct list *records)
{
    struct wr w;

    wr_init_growing(&w, 64, RECORD_MAX);
    wr_u8(&w, VERSION_PLAIN);
    meta_put_uuid(&w, &m->cluster_id);
    wr_le16(&w, m->feature_level);
    wr_le64(&w, m->next_group);
    wr_le64(&w, (uint64_t)m->next_producer_id);
    record_add(records, META_RECORD_CLUSTER, slice_make("", 0), &w);
    wr_fini(&w);
}

static uint8_t broker_version(const struct meta_broker *b)
{
    if (b->raft_addr == NULL)
        return VERSION_PLAIN;
    return b->n_formers > 0 ? VERSION_CHANGED : VERSION_CLUSTER;
}

static void put_formers(struct wr *w, const struct meta_broker *b)
{
    wr_le16(w, (uint16_t)b->n_formers);
    for (uint32_t i = 0; i < b->n_formers; i++) {
        meta_put_uuid(w, &b->formers[i].incarnation);
        wr_le64(w, b->formers[i].end_group);
    }
}

void meta_note_broker(const struct meta_broker *b, struct list *records)
{
    uint8_t key[4];
    struct wr w;

    store_le32(key, (uint32_t)b->id);
    wr_init_growing(&w, 128, RECORD_MAX);
    wr_u8(&w, broker_version(b));
    meta_put_broker(&w, b);
    if (b->raft_addr != NULL) {
        meta_put_string(&w, b->raft_addr);
        wr_u8(&w, b->votes);
    }
    if (b->n_formers > 0)
        put_formers(&w, b);
    record_add(records, META_RECORD_BROKER, slice_make(key, sizeof(key)), &w);
    wr_fini(&w);
}

static void put_partitions(struct wr *w, const struct meta_topic *t)
{
    const int32_t *replica = t->replicas;

    for (int32_t p = 0; p < t->n_partitions; p++) {
        wr_le64(w, t->partitions[p].group);
        for (uint16_t i = 0; i < t->n_replicas; i++)
            wr_le32(w, (uint32_t)*replica++);
    }
}

static uint32_t n_moves(const struct meta_topic *t)
{
    uint32_t n = 0;

    for (int32_t p = 0; p < t->n_partitions; p++)
        n += t->partitions[p].move != NULL;
    return n;
}

static void put_moves(struct wr *w, const struct meta_topic *t, uint32_t n)
{
    wr_le32(w, n);
    for (int32_t p = 0; p < t->n_partitions; p++) {
        const struct meta_move *m = t->partitions[p].move;

        if (m == NULL)
            continue;
        wr_le32(w, (uint32_t)p);
        wr_le64(w, m->since);
        wr_le32(w, m->kept);
        wr_le16(w, m->n_target);
        wr_le16(w, m->n_all);
        wr_le16(w, m->n_before);
        for (uint32_t i = 0; i < (uint32_t)m->n_all + m->n_before; i++)
            wr_le32(w, (uint32_t)m->ids[i]);
    }
}

static struct slice topic_key(const struct meta_topic *t)
{
    return slice_make(t->id.bytes, sizeof(t->id.bytes));
}

static struct meta_record *topic_record(const struct meta_topic *t)
{
    uint32_t moves = n_moves(t);
    uint8_t version = moves > 0 ? VERSION_CHANGED : t->n_replicas != 1 ? VERSION_CLUSTER : VERSION_PLAIN;
    struct meta_record *rec;
    struct wr w;

    wr_init_growing(&w, 256, META_TOPIC_RECORD_MAX);
    wr_u8(&w, version);
    meta_put_string(&w, t->name);
    wr_le64(&w, t->created_index);
    wr_le16(&w, (uint16_t)t->replication_factor);
    if (version >= VERSION_CLUSTER)
        wr_le16(&w, t->n_replicas);
    wr_le32(&w, (uint32_t)t->n_partitions);
    put_partitions(&w, t);
    wr_le32(&w, (uint32_t)t->n_configs);
    for (size_t i = 0; i < t->n_configs; i++) {
        meta_put_string(&w, t->configs[i].name);
        meta_put_string(&w, t->configs[i].value);
    }
    if (moves > 0)
        put_moves(&w, t, moves);
    rec = record_new(META_RECORD_TOPIC, topic_key(t), &w);
    wr_fini(&w);
    return rec;
}

void meta_note_topic(const struct meta_topic *t, bool gone, struct list *records)
{
    struct meta_record *rec = record_new(META_RECORD_TOPIC, topic_key(t), NULL);

    rec->is_late = !gone;
    list_append(records, &rec->link);
}

struct meta_record *meta_record_now(const struct meta *m, const struct meta_record *late)
{
    const struct meta_topic *t;
    struct uuid id;

    gq_assert(late->is_late && late->key.size == sizeof(id.bytes));
    memcpy(id.bytes, late->key.data, sizeof(id.bytes));
    t = meta_topic_by_id(m, &id);
    return t != NULL ? topic_record(t) : record_new(META_RECORD_TOPIC, late->key, NULL);
}

void meta_dump(const struct meta *m, struct list *ret_records)
{
    struct meta_broker *b;
    struct meta_topic *t;

    meta_note_cluster(m, ret_records);
    list_foreach (&m->brokers, b, link)
        meta_note_broker(b, ret_records);
    list_foreach (&m->topics, t, link)
        list_append(ret_records, &topic_record(t)->link);
}

struct meta_broker *meta_get_broker(struct rd *r)
{
    struct meta_broker *b = xcalloc(1, sizeof(*b));

    list_init(&b->link);
    b->id = (int32_t)rd_le32(r);
    meta_get_uuid(r, &b->incarnation);
    b->node_id = meta_get_string(r, META_BROKER_TEXT_MAX);
    b->host = meta_get_string(r, META_BROKER_TEXT_MAX);
    b->port = rd_le16(r);
    b->rack = meta_get_string(r, META_BROKER_TEXT_MAX);
    if (r->error == 0 && b->node_id != NULL && b->host != NULL)
        return b;
    rd_fail(r, -EBADMSG);
    meta_broker_free(b);
    return NULL;
}

static void load_cluster(struct meta *m, struct slice key, struct rd *r)
{
    meta_get_uuid(r, &m->cluster_id);
    m->feature_level = rd_le16(r);
    m->next_group = rd_le64(r);
    m->next_producer_id = (int64_t)rd_le64(r);
    if (key.size != 0 || m->next_group <= META_GROUP_ID_DEFAULT || m->next_producer_id < 0)
        rd_fail(r, -EBADMSG);
}

static void load_raft_addr(struct meta_broker *b, struct rd *r)
{
    uint8_t votes;

    b->raft_addr = meta_get_string(r, META_BROKER_TEXT_MAX);
    votes = rd_u8(r);
    b->votes = votes == 1;
    if (b->raft_addr == NULL || votes > 1)
        rd_fail(r, -EBADMSG);
}

/* One at least, and none without groups before the next one's. */
static void load_formers(struct meta_broker *b, struct rd *r)
{
    uint16_t n = rd_le16(r);
    uint64_t last = META_GROUP_ID_DEFAULT;

    if (n == 0 || n > META_FORMERS_MAX)
        rd_fail(r, -EBADMSG);
    while (b->n_formers < n && r->error == 0) {
        struct uuid incarnation = { { 0 } };
        uint64_t end_group;

        meta_get_uuid(r, &incarnation);
        end_group = rd_le64(r);
        if (uuid_is_zero(&incarnation) || end_group < last || uuid_eq(&incarnation, &b->incarnation) ||
            meta_broker_was(b, &incarnation))
            rd_fail(r, -EBADMSG);
        else
            meta_add_former(b, &incarnation, end_group);
        last = end_group;
    }
}

static void load_broker(struct meta *m, uint8_t version, struct slice key, struct rd *r)
{
    struct meta_broker *b = meta_get_broker(r);

    if (b == NULL)
        return;
    if (version >= VERSION_CLUSTER)
        load_raft_addr(b, r);
    if (version == VERSION_CHANGED)
        load_formers(b, r);
    if (r->error != 0 || rd_left(r) > 0 || key.size != 4 || (int32_t)load_le32(key.data) != b->id ||
        meta_broker_by_id(m, b->id) != NULL) {
        rd_fail(r, -EBADMSG);
        meta_broker_free(b);
        return;
    }
    meta_link_broker(m, b);
}

/* Each on a broker of its own. */
static void load_replicas(struct meta_topic *t, int32_t partition, struct rd *r)
{
    int32_t *places = meta_replica_places(t, partition);

    for (uint16_t i = 0; i < t->n_replicas; i++) {
        places[i] = (int32_t)rd_le32(r);
        for (uint16_t k = 0; k < i; k++)
            if (places[k] == places[i])
                rd_fail(r, -EBADMSG);
    }
}

static void load_partitions(struct meta_topic *t, uint8_t version, struct rd *r)
{
    uint32_t n;

    t->n_replicas = version >= VERSION_CLUSTER ? rd_le16(r) : 1;
    n = rd_le32(r);
    if (t->n_replicas == 0 || t->n_replicas > META_REPLICAS_MAX || n == 0 || n > META_PARTITIONS_MAX ||
        rd_left(r) / (8 + 4 * (size_t)t->n_replicas) < n) {
        rd_fail(r, -EBADMSG);
        return;
    }
    meta_add_partitions(t, (int32_t)n, 0);
    for (uint32_t p = 0; p < n; p++) {
        t->partitions[p].group = rd_le64(r);
        load_replicas(t, (int32_t)p, r);
    }
    meta_settle_partitions(t, 0);
}

static void load_configs(struct meta_topic *t, struct rd *r)
{
    uint32_t n = rd_le32(r);

    if (n > META_CONFIGS_MAX)
        rd_fail(r, -EBADMSG);
    for (uint32_t i = 0; i < n && r->error == 0; i++) {
        _cleanup_(freep) char *name = meta_get_string(r, META_CONFIG_VALUE_MAX);
        _cleanup_(freep) char *value = meta_get_string(r, META_CONFIG_VALUE_MAX);

        if (name == NULL || value == NULL)
            rd_fail(r, -EBADMSG);
        else
            meta_set_config(t, name, value);
    }
}

/* Each once; n of them. */
static void load_ids(int32_t *to, uint32_t n, struct rd *r)
{
    for (uint32_t i = 0; i < n; i++) {
        to[i] = (int32_t)rd_le32(r);
        for (uint32_t k = 0; k < i; k++)
            if (to[k] == to[i])
                rd_fail(r, -EBADMSG);
    }
}

static struct meta_move *load_move(struct rd *r)
{
    uint64_t since = rd_le64(r);
    uint32_t kept = rd_le32(r);
    uint16_t n_target = rd_le16(r), n_all = rd_le16(r), n_before = rd_le16(r);
    int32_t ids[META_REPLICAS_MAX], before[META_REPLICAS_MAX];
    struct meta_move *m;

    if (n_target == 0 || n_all < n_target || n_all > META_REPLICAS_MAX || n_before > META_REPLICAS_MAX) {
        rd_fail(r, -EBADMSG);
        return NULL;
    }
    load_ids(ids, n_all, r);
    load_ids(before, n_before, r);
    m = meta_move_new((struct meta_ids){ ids, n_target }, (struct meta_ids){ ids + n_target, n_all - n_target },
                      (struct meta_ids){ before, n_before });
    m->since = since;
    m->kept = kept;
    return m;
}

/* In order of partitions, one at least. */
static void load_moves(struct meta_topic *t, struct rd *r)
{
    uint32_t n = rd_le32(r);
    int32_t next = 0;

    if (n == 0)
        rd_fail(r, -EBADMSG);
    for (uint32_t i = 0; i < n && r->error == 0; i++) {
        int32_t p = (int32_t)rd_le32(r);

        if (r->error != 0 || p < next || p >= t->n_partitions) {
            rd_fail(r, -EBADMSG);
            return;
        }
        t->partitions[p].move = load_move(r);
        if (r->error != 0 || !meta_move_is_sound(t, p)) {
            rd_fail(r, -EBADMSG);
            return;
        }
        next = p + 1;
    }
    if (r->error == 0)
        meta_settle_partitions(t, 0);
}

static bool is_new_topic(const struct meta *m, const struct meta_topic *t)
{
    struct slice name = slice_str(t->name);

    return t->replication_factor >= 1 && meta_topic_name_check(name) == NULL && meta_topic_by_name(m, name) == NULL &&
           !uuid_is_zero(&t->id) && meta_find_topic(m, &t->id) == NULL;
}

static void load_topic(struct meta *m, uint8_t version, struct slice key, struct rd *r)
{
    struct meta_topic *t;

    if (key.size != sizeof(t->id.bytes)) {
        rd_fail(r, -EBADMSG);
        return;
    }
    t = meta_topic_new();
    memcpy(t->id.bytes, key.data, key.size);
    t->name = meta_get_string(r, META_TOPIC_NAME_MAX);
    t->created_index = rd_le64(r);
    t->replication_factor = (int16_t)rd_le16(r);
    load_partitions(t, version, r);
    load_configs(t, r);
    if (version == VERSION_CHANGED && r->error == 0)
        load_moves(t, r);
    if (r->error == 0 && rd_left(r) == 0 && is_new_topic(m, t)) {
        meta_link_topic(m, t);
        return;
    }
    rd_fail(r, -EBADMSG);
    meta_topic_free(t);
}

static uint8_t newest_version(uint16_t kind)
{
    return kind == META_RECORD_CLUSTER ? VERSION_PLAIN : VERSION_CHANGED;
}

int meta_load(struct meta *m, uint16_t kind, struct slice key, struct slice value)
{
    uint8_t version;
    struct rd r;

    rd_init(&r, value.data, value.size);
    version = rd_u8(&r);
    if (version < VERSION_PLAIN || version > newest_version(kind))
        return -EBADMSG;
    switch (kind) {
    case META_RECORD_CLUSTER:
        load_cluster(m, key, &r);
        break;
    case META_RECORD_BROKER:
        load_broker(m, version, key, &r);
        break;
    case META_RECORD_TOPIC:
        load_topic(m, version, key, &r);
        break;
    default:
        return -EBADMSG;
    }
    return r.error != 0 || rd_left(&r) > 0 ? -EBADMSG : 0;
}

/* The list is in order of creation, which the records' order isn't. */
static int compare_created(const void *a, const void *b)
{
    const struct meta_topic *const *x = a, *const *y = b;

    return ((*x)->created_index > (*y)->created_index) - ((*x)->created_index < (*y)->created_index);
}

/* False: two were created by the same entry, which none could do. */
static bool sort_topics(struct meta *m)
{
    bool sound = true;
    _cleanup_(freep) struct meta_topic **topics = xcalloc(m->n_topics + 1, sizeof(*topics));
    struct list *link;
    size_t n = 0;

    while ((link = list_pop(&m->topics)) != NULL)
        topics[n++] = list_entry(link, struct meta_topic, link);
    qsort(topics, n, sizeof(*topics), compare_created);
    for (size_t i = 0; i < n; i++) {
        sound = sound && (i == 0 || topics[i - 1]->created_index < topics[i]->created_index);
        list_append(&m->topics, &topics[i]->link);
    }
    return sound;
}

static int compare_groups(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

/* Each partition has a group of its own, below the next one to be given. */
static bool are_groups_sound(const struct meta *m)
{
    _cleanup_(freep) uint64_t *groups = xcalloc(m->n_partitions + 1, sizeof(*groups));
    const struct meta_topic *t;
    size_t n = 0;

    list_foreach (&m->topics, t, link) {
        for (int32_t p = 0; p < t->n_partitions; p++)
            groups[n++] = t->partitions[p].group;
    }
    qsort(groups, n, sizeof(*groups), compare_groups);
    for (size_t i = 1; i < n; i++) {
        if (groups[i] == groups[i - 1])
            return false;
    }
    return n == 0 || (groups[0] > META_GROUP_ID_DEFAULT && groups[n - 1] < m->next_group);
}

static bool are_moves_past(const struct meta_topic *t, uint64_t applied_index)
{
    for (int32_t p = 0; p < t->n_partitions; p++)
        if (t->partitions[p].move != NULL && t->partitions[p].move->since > applied_index)
            return false;
    return true;
}

static bool are_formers_sound(const struct meta *m)
{
    const struct meta_broker *b;

    list_foreach (&m->brokers, b, link)
        if (b->n_formers > 0 && b->formers[b->n_formers - 1].end_group > m->next_group)
            return false;
    return true;
}

int meta_load_finish(struct meta *m, uint64_t applied_index)
{
    const struct meta_topic *t;

    list_foreach (&m->topics, t, link) {
        if (t->created_index > applied_index || !are_moves_past(t, applied_index))
            return -EBADMSG;
    }
    if (m->n_partitions > META_ALL_PARTITIONS_MAX || !are_groups_sound(m) || !are_formers_sound(m) || !sort_topics(m))
        return -EBADMSG;
    m->applied_index = applied_index;
    return 0;
}
