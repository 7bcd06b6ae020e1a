/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Every key of the table: a value set in the file shows up in its member, and the table is sound. */
#include "config/keys.h"

#include <stdio.h>

#include "config/suites.h"

#define NUMBER(key, text, member, value) \
    { \
#key, text, offsetof(struct config, member), sizeof(((struct config *)0)->member), value, NULL \
    }
#define STRING(key, text, member, value) \
    { \
#key, text, offsetof(struct config, member), 0, 0, value \
    }

/* Key, what stands in the file, member, what it must hold then. Never the default. */
static const struct {
    const char *key;
    const char *text;
    size_t offset;
    size_t size; /* of a number member; 0: a text */
    int64_t number;
    const char *string;
} rows[] = {
    STRING(node_id, "broker-1", node_id, "broker-1"),
    STRING(bind_addr, "\"::1\"", bind_addr, "::1"),
    NUMBER(bind_port, "\"9093\"", bind_port, 9093),
    STRING(advertised_addr, "broker.example", advertised_addr, "broker.example"),
    NUMBER(advertised_port, "19092", advertised_port, 19092),
    STRING(data_dir, "'/srv/it''s'", data_dir, "/srv/it's"),
    STRING(log_dir, "./logs", log_dir, "./logs"),
    NUMBER(http, "off", http, 0),
    NUMBER(max_connections, "5", max_connections, 5),
    NUMBER(max_connections_per_address, "6", max_connections_per_address, 6),
    NUMBER(max_request_size, "2097152", max_request_size_bytes, 2 * VALUE_MIB),
    NUMBER(request_memory, "8MiB", request_memory_bytes, 8 * VALUE_MIB),
    NUMBER(max_in_flight, "7", max_in_flight, 7),
    STRING(congestion_control, "bbr", congestion_control, "bbr"),
    NUMBER(auto_create_topics, "no", auto_create_topics, 0),
    NUMBER(num_partitions, "12", num_partitions, 12),
    NUMBER(default_replication_factor, "1", default_replication_factor, 1),
    NUMBER(min_insync_replicas, "2", min_insync_replicas, 2),
    NUMBER(retention, "none", retention_ns, CONFIG_NONE),
    NUMBER(retention_size, "1GB", retention_size_bytes, 1000000000),
    NUMBER(segment_size, "1MiB", segment_size_bytes, VALUE_MIB),
    NUMBER(segment_age, "1h30m", segment_age_ns, 90 * VALUE_MINUTE),
    NUMBER(max_message_size, "4MiB", max_message_size_bytes, 4 * VALUE_MIB),
    NUMBER(journal_size, "64MiB", journal_size_bytes, 64 * VALUE_MIB),
    NUMBER(enable_follower_read, "yes", enable_follower_read, 1),
    STRING(rack, "eu-1a", rack, "eu-1a"),
    NUMBER(replica_lag_time, "20s", replica_lag_time_ns, 20 * VALUE_SEC),
    NUMBER(leader_balance, "false", leader_balance, 0),
    NUMBER(catch_up_rate, "10MiB", catch_up_rate_bytes, 10 * VALUE_MIB),
    NUMBER(scrub_rate, "1MB", scrub_rate_bytes, 1000000),
    NUMBER(compression_enabled, "true", compression_enabled, 1),
    NUMBER(compression_type, "lz4", compression_type, CONFIG_COMPRESSION_LZ4),
    NUMBER(compression_threshold, "4KiB", compression_threshold_bytes, 4096),
    NUMBER(deduplication_enabled, "true", deduplication_enabled, 1),
    NUMBER(deduplication_ttl, "48", deduplication_ttl_ns, 48 * VALUE_HOUR),
    NUMBER(deduplication_max_size, "5000", deduplication_max_size, 5000),
    NUMBER(offsets_retention, "14d", offsets_retention_ns, 14 * VALUE_DAY),
    NUMBER(group_initial_rebalance_delay, "3s", group_initial_rebalance_delay_ns, 3 * VALUE_SEC),
    NUMBER(group_max_members, "500", group_max_members, 500),
    NUMBER(producer_id_expiration, "2h", producer_id_expiration_ns, 2 * VALUE_HOUR),
    NUMBER(producer_id_max, "1000", producer_id_max, 1000),
    NUMBER(quota_produce_rate, "5MB", quota_produce_rate_bytes, 5000000),
    NUMBER(quota_fetch_rate, "6MB", quota_fetch_rate_bytes, 6000000),
    NUMBER(quota_request_rate, "70", quota_request_rate, 70),
    NUMBER(performance.reactors, "2", performance.reactors, 2),
    NUMBER(performance.shards, "3", performance.shards, 3),
    NUMBER(performance.max_batch_size, "500", performance.max_batch_size, 500),
    NUMBER(performance.max_batch_bytes, "10485760", performance.max_batch_bytes, 10 * VALUE_MIB),
    NUMBER(performance.batch_timeout, "10", performance.batch_timeout_ns, 10 * VALUE_MSEC),
    NUMBER(performance.write_cache_size, "67108864", performance.write_cache_size_bytes, 64 * VALUE_MIB),
    NUMBER(performance.read_cache_size, "0", performance.read_cache_size_bytes, 0),
    NUMBER(performance.connection_pool_size, "200", performance.connection_pool_size, 200),
    NUMBER(performance.spin, "50us", performance.spin_ns, 50 * VALUE_USEC),
    NUMBER(performance.connection_idle_timeout, "5", performance.connection_idle_timeout_ns, 5 * VALUE_MINUTE),
    NUMBER(performance.compression_type, "snappy", performance.compression_type, CONFIG_COMPRESSION_SNAPPY),
    NUMBER(performance.compression_threshold, "2048", performance.compression_threshold_bytes, 2048),
    NUMBER(logging.level, "debug", logging.level, CONFIG_LOG_DEBUG),
    STRING(logging.file, "./logs/broker.log", logging.file, "./logs/broker.log"),
    NUMBER(logging.max_size, "5", logging.max_size_bytes, 5 * VALUE_MIB),
    NUMBER(logging.max_backups, "0", logging.max_backups, 0),
    NUMBER(logging.max_age, "7", logging.max_age_ns, 7 * VALUE_DAY),
    NUMBER(logging.compress, "true", logging.compress, 1),
    STRING(raft.raft_addr, "127.0.0.1:7001", raft.raft_addr, "127.0.0.1:7001"),
    NUMBER(raft.rtt_millisecond, "200", raft.rtt_ns, 200 * VALUE_MSEC),
    NUMBER(raft.heartbeat_rtt, "2", raft.heartbeat_rtt, 2),
    NUMBER(raft.election_rtt, "20", raft.election_rtt, 20),
    NUMBER(raft.check_quorum, "false", raft.check_quorum, 0),
    NUMBER(raft.snapshot_entries, "20000", raft.snapshot_entries, 20000),
    NUMBER(raft.compaction_overhead, "0", raft.compaction_overhead, 0),
    NUMBER(raft.max_in_mem_log_size, "1GiB", raft.max_in_mem_log_size_bytes, VALUE_GIB),
    NUMBER(raft.controller_group_id, "9", raft.controller_group_id, 9),
    NUMBER(raft.controller_snapshot_freq, "10", raft.controller_snapshot_freq, 10),
    NUMBER(raft.mutual_tls, "true", raft.mutual_tls, 1),
    STRING(raft.ca_file, "/etc/ca.pem", raft.ca_file, "/etc/ca.pem"),
    STRING(raft.cert_file, "/etc/cert.pem", raft.cert_file, "/etc/cert.pem"),
    STRING(raft.key_file, "/etc/key.pem", raft.key_file, "/etc/key.pem"),
    NUMBER(discovery.type, "etcd", discovery.type, CONFIG_DISCOVERY_ETCD),
    STRING(discovery.username, "root", discovery.username, "root"),
    STRING(discovery.password, "12345", discovery.password, "12345"),
    NUMBER(discovery.timeout, "3", discovery.timeout_ns, 3 * VALUE_SEC),
    STRING(discovery.ca_file, "/etc/ca.pem", discovery.ca_file, "/etc/ca.pem"),
    STRING(discovery.cert_file, "/etc/cert.pem", discovery.cert_file, "/etc/cert.pem"),
    STRING(discovery.key_file, "/etc/key.pem", discovery.key_file, "/etc/key.pem"),
};

/* "a.b" and "v" as a YAML file: "a:\n  b: v\n" */
static void make_file(char *yaml, size_t size, const char *key, const char *text)
{
    const char *dot = strchr(key, '.');

    if (dot != NULL)
        snprintf(yaml, size, "%.*s:\n  %s: %s\n", (int)(dot - key), key, dot + 1, text);
    else
        snprintf(yaml, size, "\n%s: %s\n", key, text);
}

static int64_t load_number(const void *member, size_t size)
{
    switch (size) {
    case sizeof(bool):
        return *(const bool *)member;
    case sizeof(int):
        return *(const int *)member;
    default:
        ck_assert_uint_eq(size, sizeof(int64_t));
        return *(const int64_t *)member;
    }
}

static void check_row(size_t i)
{
    const struct config_key *k = config_key_find(rows[i].key);
    struct config_report report;
    const void *member;
    struct config c;
    char yaml[256];

    ck_assert_msg(k != NULL, "%s", rows[i].key);
    config_init(&c);
    config_report_init(&report);
    ck_assert_msg(config_key_is_default(&c, k), "%s", k->path);
    make_file(yaml, sizeof(yaml), rows[i].key, rows[i].text);
    ck_assert_msg(config_read(&c, "f", yaml, strlen(yaml), &report) == 0, "%s: %s", k->path, report.errors[0]);
    member = (const char *)&c + rows[i].offset;
    if (rows[i].size > 0)
        ck_assert_msg(load_number(member, rows[i].size) == rows[i].number, "%s", k->path);
    else
        ck_assert_str_eq(*(char *const *)member, rows[i].string);
    ck_assert_msg(!config_key_is_default(&c, k), "%s: the test sets the default", k->path);
    ck_assert_int_eq(c.origin[config_key_id(k)].source, CONFIG_FROM_FILE);
    ck_assert_uint_eq(c.origin[config_key_id(k)].line, 2);
    config_report_fini(&report);
    config_fini(&c);
}

START_TEST(every_key_reaches_its_member)
{
    bool covered[CONFIG_N_KEYS] = { false };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        check_row(i);
        covered[config_key_id(config_key_find(rows[i].key))] = true;
    }
    for (size_t i = 0; i < CONFIG_N_KEYS; i++) {
        if (config_keys[i].shape == CONFIG_SCALAR)
            ck_assert_msg(covered[i], "%s has no row", config_keys[i].path);
    }
}
END_TEST

START_TEST(lists_reach_their_members)
{
    static const char yaml[] = "discovery:\n"
                               "  endpoints:\n"
                               "    - 127.0.0.1:2379\n"
                               "    - https://etcd-2:2379\n"
                               "  peers:\n"
                               "    - n1=127.0.0.1:7001\n"
                               "    - c1=controller:127.0.0.1:7002\n"
                               "    - { node_id: n2, raft_addr: '[::1]:7003' }\n"
                               "    - node_id: c2\n"
                               "      role: controller\n"
                               "      raft_addr: 127.0.0.1:7004\n";
    static const struct config_peer peers[] = {
        { (char *)"n1", (char *)"127.0.0.1:7001", false },
        { (char *)"c1", (char *)"127.0.0.1:7002", true },
        { (char *)"n2", (char *)"[::1]:7003", false },
        { (char *)"c2", (char *)"127.0.0.1:7004", true },
    };
    struct config_report report;
    struct config c;

    config_init(&c);
    config_report_init(&report);
    ck_assert_int_eq(config_read(&c, "f", yaml, strlen(yaml), &report), 0);
    ck_assert_uint_eq(c.discovery.endpoints.n, 2);
    ck_assert_str_eq(c.discovery.endpoints.items[1], "https://etcd-2:2379");
    ck_assert_uint_eq(c.discovery.peers.n, ARRAY_SIZE(peers));
    for (size_t i = 0; i < ARRAY_SIZE(peers); i++) {
        ck_assert_str_eq(c.discovery.peers.items[i].node_id, peers[i].node_id);
        ck_assert_str_eq(c.discovery.peers.items[i].raft_addr, peers[i].raft_addr);
        ck_assert_int_eq(c.discovery.peers.items[i].is_controller, peers[i].is_controller);
    }
    config_fini(&c);
    config_report_fini(&report);
}
END_TEST

START_TEST(the_table_is_sound)
{
    for (size_t i = 0; i < CONFIG_N_KEYS; i++) {
        const struct config_key *k = &config_keys[i];
        char text[VALUE_TEXT_SIZE];
        int64_t number;
        size_t size;

        ck_assert_msg(config_key_find(k->path) == k, "%s is there twice", k->path);
        ck_assert_msg(k->help != NULL && k->help[strlen(k->help) - 1] == '.', "%s", k->path);
        ck_assert_msg(k->due >= 0 && k->due <= 6, "%s", k->path);
        if (k->shape != CONFIG_SCALAR || !value_is_number(k->spec.type))
            continue;
        size = k->spec.type == VALUE_BOOL ? sizeof(bool) : k->spec.type == VALUE_WORD ? sizeof(int) : sizeof(int64_t);
        ck_assert_msg(k->size == size, "%s", k->path);
        ck_assert_msg(k->spec.min <= k->spec.max, "%s", k->path);
        if (k->default_shown != NULL && k->default_number == CONFIG_NONE)
            continue; /* unset, which no text says */
        /* The default passes its own check, unless it is 0 beside a word. */
        value_format(&k->spec, k->default_number, text);
        ck_assert_msg(value_parse(&k->spec, text, &number, NULL) == 0, "%s: %s", k->path, text);
        ck_assert_msg(number == k->default_number, "%s: %s", k->path, text);
    }
}
END_TEST

START_TEST(limits_hold_on_both_sides)
{
    for (size_t i = 0; i < CONFIG_N_KEYS; i++) {
        const struct config_key *k = &config_keys[i];
        static const char *const units[] = { [VALUE_INT] = "", [VALUE_DURATION] = "ns", [VALUE_SIZE] = "B" };
        struct config c;
        char text[64];

        if (k->spec.type != VALUE_INT && k->spec.type != VALUE_DURATION && k->spec.type != VALUE_SIZE)
            continue;
        config_init(&c);
        for (int64_t d = -1; d <= 1; d++) {
            snprintf(text, sizeof(text), "%lld%s", (long long)(k->spec.min + d), units[k->spec.type]);
            ck_assert_msg((config_key_set(&c, k, text, NULL) == 0) == (d >= 0), "%s: %s", k->path, text);
            snprintf(text, sizeof(text), "%lld%s", (long long)(k->spec.max + d), units[k->spec.type]);
            ck_assert_msg((config_key_set(&c, k, text, NULL) == 0) == (d <= 0), "%s: %s", k->path, text);
        }
        config_fini(&c);
    }
}
END_TEST

Suite *keys_suite(void)
{
    Suite *s = suite_create("keys");

    suite_add(s, every_key_reaches_its_member);
    suite_add(s, lists_reach_their_members);
    suite_add(s, the_table_is_sound);
    suite_add(s, limits_hold_on_both_sides);
    return s;
}
