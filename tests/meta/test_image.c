/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The image: records of all the state, and of what a command changed. */
#include "meta/internal.h"
#include "meta/state.h"
#include "meta/suites.h"

#define CLUSTER 1
#define BROKER 2
#define TOPIC 3

static struct state s;
static struct list records;

static void put_broker(int32_t id, const char *rack)
{
    struct meta_broker b = {
        .id = id,
        .node_id = (char *)"node",
        .incarnation = state_id((uint8_t)(100 + id)),
        .host = (char *)"",
        .port = 9092,
        .rack = (char *)rack,
    };

    meta_write_broker(&s.command, &b);
    state_apply(&s);
}

/* Something of everything; the ids are against the order of creation. */
static void setup(void)
{
    struct meta_config_op ops[] = { { "retention.ms", "1000" }, { "empty", "" } };
    struct uuid cluster = state_id(1), orders = state_id(9);

    list_init(&records);
    state_init(&s, 1);
    meta_write_form(&s.command, &cluster);
    state_apply(&s);
    put_broker(2, NULL);
    put_broker(1, "rack");
    ck_assert_int_eq(state_create(&s, "orders", 9, 3), 0);
    ck_assert_int_eq(state_create(&s, "claims", 8, 1), 0);
    ck_assert_int_eq(state_create(&s, "archive", 7, 2), 0);
    meta_write_topic_configs(&s.command, &orders, false, ops, 2);
    ck_assert_int_eq(state_apply(&s), 0);
    meta_write_producer_ids(&s.command, 1000);
    ck_assert_int_eq(state_apply(&s), 0);
    meta_dump(&s.meta, &records);
}

static void teardown(void)
{
    meta_records_fini(&records);
    state_fini(&s);
}

static struct meta_record *find(uint16_t kind, unsigned nth)
{
    struct meta_record *rec;

    list_foreach (&records, rec, link) {
        if (rec->kind == kind && nth-- == 0)
            return rec;
    }
    ck_abort_msg("there is no such record");
}

static uint64_t topic_created(const char *name)
{
    return meta_topic_by_name(&s.meta, slice_str(name))->created_index;
}

static int load(bool backwards, uint64_t applied_index)
{
    struct meta m;
    int rc;

    meta_init(&m, 2);
    rc = load_records(&m, &records, backwards, applied_index);
    meta_fini(&m);
    return rc;
}

START_TEST(a_loaded_image_is_the_state)
{
    _cleanup_(freep) char *before = meta_text(&s.meta), *after = NULL;
    struct meta m;

    meta_init(&m, 2);
    ck_assert_int_eq(load_records(&m, &records, _i, s.meta.applied_index), 0);
    after = meta_text(&m);
    ck_assert_str_eq(after, before);
    ck_assert_ptr_nonnull(meta_topic_by_name(&m, slice_str("claims")));
    meta_fini(&m);
}
END_TEST

/* What comes after an image was loaded goes on as if it had not been. */
START_TEST(a_loaded_state_goes_on)
{
    struct state copy;
    _cleanup_(freep) char *one = NULL, *other = NULL;

    state_init(&copy, 2);
    meta_fini(&copy.meta);
    meta_copy(&s.meta, &copy.meta);
    ck_assert_int_eq(state_create(&s, "more", 6, 2), 0);
    ck_assert_int_eq(state_create(&copy, "more", 6, 2), 0);
    ck_assert_int_eq(state_create(&copy, "orders", 5, 2), 36);
    ck_assert_int_eq(state_create(&s, "orders", 5, 2), 36);
    one = meta_text(&s.meta);
    other = meta_text(&copy.meta);
    ck_assert_str_eq(one, other);
    state_fini(&copy);
}
END_TEST

START_TEST(an_empty_state_has_an_image)
{
    struct state empty;
    struct meta m;

    state_init(&empty, 1);
    meta_copy(&empty.meta, &m);
    ck_assert_uint_eq(m.next_group, META_GROUP_ID_DEFAULT + 1);
    meta_fini(&m);
    state_fini(&empty);
}
END_TEST

START_TEST(no_part_of_a_record_is_one)
{
    struct meta_record *rec = find((uint16_t)_i, 0);
    _cleanup_(freep) uint8_t *longer = xcalloc(rec->value.size + 1, 1);
    struct meta m;

    for (size_t size = 0; size < rec->value.size; size++) {
        _cleanup_(freep) uint8_t *copy = xmalloc(size + (size == 0));

        memcpy(copy, rec->value.data, size);
        meta_init(&m, 2);
        ck_assert_int_eq(meta_load(&m, rec->kind, rec->key, slice_make(copy, size)), -EBADMSG);
        meta_fini(&m);
    }
    memcpy(longer, rec->value.data, rec->value.size);
    meta_init(&m, 2);
    ck_assert_int_eq(meta_load(&m, rec->kind, rec->key, slice_make(longer, rec->value.size + 1)), -EBADMSG);
    ck_assert_int_eq(meta_load(&m, rec->kind, rec->key, rec->value), 0);
    meta_fini(&m);
}
END_TEST

START_TEST(kinds_versions_and_keys_are_checked)
{
    struct meta_record *rec = find((uint16_t)_i, 0);
    uint8_t key[17] = { 0 };

    rec->kind = 4;
    ck_assert_int_eq(load(false, s.meta.applied_index), -EBADMSG);
    rec->kind = (uint16_t)_i;
    for (uint8_t version = 0; version < 4; version++) {
        if (version == 1)
            continue;
        ((uint8_t *)(uintptr_t)rec->value.data)[0] = version;
        ck_assert_int_eq(load(false, s.meta.applied_index), -EBADMSG);
    }
    ((uint8_t *)(uintptr_t)rec->value.data)[0] = 1;
    ck_assert_int_eq(load(false, s.meta.applied_index), 0);
    rec->key = slice_make(key, sizeof(key));
    ck_assert_int_eq(load(false, s.meta.applied_index), -EBADMSG);
    rec->key = slice_make(key, _i == TOPIC ? 16 : _i == BROKER ? 4 : 1);
    ck_assert_int_eq(load(false, s.meta.applied_index), -EBADMSG);
}
END_TEST

START_TEST(topics_and_brokers_come_once)
{
    struct meta_record *first = find((uint16_t)_i, 0), *second = find((uint16_t)_i, 1);

    second->key = first->key;
    second->value = first->value;
    ck_assert_int_eq(load(false, s.meta.applied_index), -EBADMSG);
}
END_TEST

START_TEST(two_topics_of_one_name)
{
    uint8_t *name = (uint8_t *)(uintptr_t)find(TOPIC, 1)->value.data + 1 + 4;

    ck_assert_mem_eq(name, "claims", 6);
    memcpy(name, "orders", 6);
    ck_assert_int_eq(load(false, s.meta.applied_index), -EBADMSG);
}
END_TEST

/* Position of a field in a topic's value: version, name, created, factor, count, then 12 bytes for each partition. */
#define PARTITIONS_AT(name) (1 + 4 + strlen(name) + 8 + 2 + 4)

static uint8_t *group_of(unsigned nth_topic, const char *name, size_t partition)
{
    return (uint8_t *)(uintptr_t)find(TOPIC, nth_topic)->value.data + PARTITIONS_AT(name) + 12 * partition;
}

START_TEST(groups_belong_to_one_partition)
{
    uint8_t *group = group_of(0, "orders", 1);

    ck_assert_uint_eq(load_le64(group), META_GROUP_ID_DEFAULT + 2);
    store_le64(group, META_GROUP_ID_DEFAULT + 5); /* one of archive's */
    ck_assert_int_eq(load(false, s.meta.applied_index), -EBADMSG);
    store_le64(group, META_GROUP_ID_DEFAULT);
    ck_assert_int_eq(load(false, s.meta.applied_index), -EBADMSG);
    store_le64(group, s.meta.next_group);
    ck_assert_int_eq(load(false, s.meta.applied_index), -EBADMSG);
    store_le64(group, META_GROUP_ID_DEFAULT + 2);
    ck_assert_int_eq(load(false, s.meta.applied_index), 0);
}
END_TEST

/* In whatever order the records come, the topics' is that of their creation; so there must be one. */
START_TEST(an_entry_creates_one_topic)
{
    uint8_t *created = (uint8_t *)(uintptr_t)find(TOPIC, 1)->value.data + 1 + 4 + strlen("claims");

    ck_assert_uint_eq(load_le64(created), topic_created("claims"));
    store_le64(created, topic_created("orders"));
    ck_assert_int_eq(load(false, s.meta.applied_index), -EBADMSG);
    ck_assert_int_eq(load(true, s.meta.applied_index), -EBADMSG);
}
END_TEST

START_TEST(an_image_is_not_younger_than_its_index)
{
    ck_assert_int_eq(load(false, meta_topic_by_name(&s.meta, slice_str("archive"))->created_index), 0);
    ck_assert_int_eq(load(false, meta_topic_by_name(&s.meta, slice_str("archive"))->created_index - 1), -EBADMSG);
}
END_TEST

/* A count that the bytes can't hold must not allocate for it. */
START_TEST(partition_counts_are_checked)
{
    uint8_t *count = group_of(0, "orders", 0) - 4;

    ck_assert_uint_eq(load_le32(count), 3);
    for (uint32_t bad = 0; bad < 5; bad++) {
        store_le32(count, (const uint32_t[]){ 0, 4, META_PARTITIONS_MAX, META_PARTITIONS_MAX + 1, UINT32_MAX }[bad]);
        ck_assert_int_eq(load(false, s.meta.applied_index), -EBADMSG);
    }
}
END_TEST

static void fill_configs(struct meta_config_entry *configs)
{
    for (int i = 0; i < META_CONFIGS_MAX; i++) {
        configs[i] =
            (struct meta_config_entry){ xmalloc(META_CONFIG_VALUE_MAX + 1), xmalloc(META_CONFIG_VALUE_MAX + 1) };
        memset(configs[i].name, 'a' + i % 26, META_CONFIG_VALUE_MAX);
        memset(configs[i].name, 'a' + i / 26, 1);
        memset(configs[i].value, 'v', META_CONFIG_VALUE_MAX);
        configs[i].name[META_CONFIG_VALUE_MAX] = configs[i].value[META_CONFIG_VALUE_MAX] = '\0';
    }
}

static void move_all(struct meta_topic *t)
{
    for (int32_t p = 0; p < t->n_partitions; p++) {
        struct meta_ids all = meta_placed(t, p);

        t->partitions[p].move = meta_move_new(all, (struct meta_ids){ NULL, 0 }, all);
        t->partitions[p].move->since = 1;
    }
}

/* All that the limits allow, in one record. */
START_TEST(the_largest_topic)
{
    struct meta_config_entry configs[META_CONFIGS_MAX];
    char name[META_TOPIC_NAME_MAX + 1] = { 0 };
    struct meta_topic_create c = {
        .id = state_id(9),
        .n_partitions = META_PARTITIONS_MAX,
        .replication_factor = META_REPLICAS_MAX,
        .configs = configs,
        .n_configs = META_CONFIGS_MAX,
    };
    struct state large;
    struct meta m;

    list_init(&records);
    memset(name, 'n', META_TOPIC_NAME_MAX);
    c.name = slice_str(name);
    fill_configs(configs);
    state_init(&large, 1);
    ck_assert_int_eq(state_form(&large, META_REPLICAS_MAX), 0);
    meta_write_topic_create(&large.command, &c);
    ck_assert_int_eq(state_apply(&large), 0);
    move_all(meta_find_topic(&large.meta, &c.id));
    meta_dump(&large.meta, &records);
    ck_assert_uint_eq(find(TOPIC, 0)->value.size, META_TOPIC_RECORD_MAX);
    meta_init(&m, 2);
    ck_assert_int_eq(load_records(&m, &records, false, large.meta.applied_index), 0);
    ck_assert_uint_eq(meta_find_topic(&m, &c.id)->partitions[META_PARTITIONS_MAX - 1].move->n_before,
                      META_REPLICAS_MAX);
    meta_fini(&m);
    meta_records_fini(&records);
    state_fini(&large);
    for (int i = 0; i < META_CONFIGS_MAX; i++) {
        free(configs[i].name);
        free(configs[i].value);
    }
}
END_TEST

static void add_loop(Suite *suite, const char *name, const TTest *test, int from, int to)
{
    TCase *tc = tcase_create(name);

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, test, from, to);
    suite_add_tcase(suite, tc);
}

Suite *meta_image_suite(void)
{
    Suite *suite = suite_create("image");

    add_loop(suite, "a_loaded_image_is_the_state", a_loaded_image_is_the_state, 0, 2);
    suite_add_with(suite, a_loaded_state_goes_on, setup, teardown);
    suite_add(suite, an_empty_state_has_an_image);
    add_loop(suite, "no_part_of_a_record_is_one", no_part_of_a_record_is_one, CLUSTER, TOPIC + 1);
    add_loop(suite, "kinds_versions_and_keys_are_checked", kinds_versions_and_keys_are_checked, CLUSTER, TOPIC + 1);
    add_loop(suite, "topics_and_brokers_come_once", topics_and_brokers_come_once, BROKER, TOPIC + 1);
    suite_add_with(suite, two_topics_of_one_name, setup, teardown);
    suite_add_with(suite, groups_belong_to_one_partition, setup, teardown);
    suite_add_with(suite, an_entry_creates_one_topic, setup, teardown);
    suite_add_with(suite, an_image_is_not_younger_than_its_index, setup, teardown);
    suite_add_with(suite, partition_counts_are_checked, setup, teardown);
    suite_add(suite, the_largest_topic);
    return suite;
}
