/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config/config.h"

#include <sysexits.h>

#include "config/keys.h"
#include "config/suites.h"

static struct config_report report;

static void load(struct config *c, const char *yaml)
{
    config_init(c);
    config_report_init(&report);
    config_read(c, "f", yaml, strlen(yaml), &report);
    config_finish(c, &report);
}

static void unload(struct config *c)
{
    config_report_fini(&report);
    config_fini(c);
}

START_TEST(defaults_are_those_of_the_manual)
{
    struct config c;

    load(&c, "node_id: n1\n");
    ck_assert_uint_eq(report.n_errors, 0);
    ck_assert_uint_eq(report.n_warnings, 0);
    ck_assert_str_eq(c.bind_addr, "127.0.0.1");
    ck_assert_int_eq(c.bind_port, 9092);
    ck_assert_str_eq(c.data_dir, "./data");
    ck_assert_ptr_null(c.log_dir);
    ck_assert(c.http);
    ck_assert_int_eq(c.max_request_size_bytes, 100 * VALUE_MIB);
    ck_assert_int_eq(c.retention_ns, 7 * VALUE_DAY);
    ck_assert_int_eq(c.retention_size_bytes, CONFIG_NONE);
    ck_assert_int_eq(c.performance.reactors, CONFIG_AUTO);
    ck_assert_int_eq(c.performance.connection_idle_timeout_ns, 10 * VALUE_MINUTE);
    ck_assert_int_eq(c.raft.rtt_ns * c.raft.election_rtt, 500 * VALUE_MSEC);
    ck_assert_int_eq(c.logging.level, CONFIG_LOG_INFO);
    unload(&c);
}
END_TEST

START_TEST(zlib_is_taken_as_gzip)
{
    struct config c;

    load(&c, "node_id: n1\ncompression_type: zlib\n");
    ck_assert_int_eq(c.compression_type, CONFIG_COMPRESSION_GZIP);
    ck_assert_uint_eq(report.n_warnings, 2);
    ck_assert_str_eq(report.warnings[0],
                     "f:2: compression_type: zlib is taken as gzip (the same deflate data; Kafka has no zlib codec)");
    ck_assert_str_eq(report.warnings[1], "f:2: compression_type has no effect yet");
    unload(&c);
}
END_TEST

START_TEST(the_newer_spelling_wins)
{
    struct config c;

    load(&c,
         "node_id: n1\ncompression_type: lz4\nperformance:\n  compression_type: zlib\n  compression_threshold: 99\n");
    ck_assert_int_eq(c.compression_type, CONFIG_COMPRESSION_LZ4);
    ck_assert_int_eq(c.compression_threshold_bytes, 99);
    ck_assert_uint_eq(report.n_warnings, 5);
    ck_assert_str_eq(report.warnings[1], "f:4: performance.compression_type differs from compression_type, which wins");
    unload(&c);
    load(&c, "node_id: n1\ncompression_type: lz4\nperformance:\n  compression_type: lz4\n");
    ck_assert_uint_eq(report.n_warnings, 2); /* no effect yet, both; no difference */
    unload(&c);
}
END_TEST

START_TEST(dangerous_settings_are_warned_about)
{
    struct config c;

    load(&c, "node_id: n1\nraft: { check_quorum: false }\nbind_addr: '::'\n");
    ck_assert_uint_eq(report.n_errors, 0);
    ck_assert_uint_eq(report.n_warnings, 2);
    ck_assert_str_eq(
        report.warnings[0],
        "f:2: raft.check_quorum: false is unsafe (a leader that is cut off goes on as leader) and has no effect yet");
    ck_assert_str_eq(report.warnings[1],
                     "f:3: bind_addr: :: can be reached from other machines, and clients are not authenticated");
    ck_assert(config_is_exposed(&c));
    unload(&c);
}
END_TEST

/* Exactly the keys that are due later warn; setting such a key to its default doesn't. */
START_TEST(keys_without_effect_warn)
{
    struct config c;

    load(&c, "node_id: n1\nrack: r1\nraft: { raft_addr: '127.0.0.1:1', heartbeat_rtt: 5 }\nmax_in_flight: 3\n");
    ck_assert_uint_eq(report.n_warnings, 2);
    ck_assert_str_eq(report.warnings[0], "f:2: rack has no effect yet");
    ck_assert_str_eq(report.warnings[1], "f:3: raft.raft_addr has no effect yet");
    unload(&c);
}
END_TEST

START_TEST(refusals_end_with_ex_config)
{
    struct config c;

    load(&c, "node_id: n1\nraft: { mutual_tls: true }\n");
    ck_assert_int_eq(config_report_status(&report), EX_CONFIG);
    unload(&c);
    load(&c, "bind_port: 1\n");
    ck_assert_int_eq(config_report_status(&report), EX_USAGE);
    ck_assert_uint_eq(report.n_errors, 1);
    unload(&c);
}
END_TEST

START_TEST(log_file_names)
{
    struct config c;
    char *file;

    load(&c, "node_id: n1\n");
    ck_assert_ptr_null(config_log_file(&c));
    unload(&c);
    load(&c, "node_id: n1\nlog_dir: logs\n");
    file = config_log_file(&c);
    ck_assert_str_eq(file, "logs/n1.log");
    free(file);
    unload(&c);
    load(&c, "node_id: n1\nlog_dir: logs\nlogging: { file: x.log }\n");
    file = config_log_file(&c);
    ck_assert_str_eq(file, "x.log");
    free(file);
    unload(&c);
    load(&c, "node_id: n1\nlog_dir: ''\n"); /* as unset */
    ck_assert_ptr_null(config_log_file(&c));
    unload(&c);
}
END_TEST

static uint64_t spin_ns(const char *yaml, unsigned n_cores, unsigned n_threads)
{
    struct config c;
    uint64_t ns;

    load(&c, yaml);
    ck_assert_uint_eq(report.n_errors, 0);
    ns = config_spin_ns(&c, n_cores, n_threads);
    unload(&c);
    return ns;
}

START_TEST(threads_wait_awake_where_a_core_is_free)
{
    ck_assert_uint_eq(spin_ns("node_id: n1\n", 5, 4), 20 * VALUE_USEC);
    ck_assert_uint_eq(spin_ns("node_id: n1\n", 4, 4), 0);
    ck_assert_uint_eq(spin_ns("node_id: n1\n", 2, 4), 0);
    ck_assert_uint_eq(spin_ns("node_id: n1\nperformance: { spin: auto }\n", 5, 4), 20 * VALUE_USEC);
    ck_assert_uint_eq(spin_ns("node_id: n1\nperformance: { spin: auto }\n", 4, 4), 0);
    /* What is said holds on any machine. */
    ck_assert_uint_eq(spin_ns("node_id: n1\nperformance: { spin: none }\n", 64, 1), 0);
    ck_assert_uint_eq(spin_ns("node_id: n1\nperformance: { spin: 50us }\n", 64, 1), 50 * VALUE_USEC);
    ck_assert_uint_eq(spin_ns("node_id: n1\nperformance: { spin: 50us }\n", 1, 2), 50 * VALUE_USEC);
}
END_TEST

START_TEST(a_diff_tells_what_a_reload_can_apply)
{
    struct config_change changes[CONFIG_N_KEYS];
    struct config old, new;

    load(&old, "node_id: n1\nbind_port: 1\nlogging: { level: info }\ndiscovery: { endpoints: [ 'a:1' ] }\n");
    config_report_fini(&report);
    load(&new,
         "node_id: n1\nbind_port: 2\nlogging: { level: debug }\ndiscovery: { endpoints: [ 'a:2' ] }\nretention: 1h\n");
    ck_assert_uint_eq(config_diff(&old, &old, changes), 0);
    ck_assert_uint_eq(config_diff(&old, &new, changes), 4);
    ck_assert_str_eq(config_key_path(changes[0].id), "bind_port");
    ck_assert(!changes[0].is_live);
    ck_assert_str_eq(config_key_path(changes[1].id), "retention");
    ck_assert(changes[1].is_live);
    ck_assert_str_eq(config_key_path(changes[2].id), "logging.level");
    ck_assert(changes[2].is_live);
    ck_assert_str_eq(config_key_path(changes[3].id), "discovery.endpoints");
    ck_assert(!changes[3].is_live);
    config_fini(&old);
    unload(&new);
}
END_TEST

START_TEST(a_reload_keeps_what_needs_a_restart)
{
    struct config_change changes[CONFIG_N_KEYS];
    struct config old, new, running;

    load(&old, "node_id: n1\nbind_port: 1\ndiscovery: { peers: [ 'n1=a:1' ] }\n");
    config_report_fini(&report);
    load(&new, "node_id: n1\nbind_port: 2\nlogging: { level: debug }\n");
    config_copy(&running, &old);
    ck_assert_uint_eq(config_diff(&old, &running, changes), 0);
    config_adopt_live(&running, &new);
    ck_assert_int_eq(running.bind_port, 1);
    ck_assert_int_eq(running.logging.level, CONFIG_LOG_DEBUG);
    ck_assert_str_eq(running.discovery.peers.items[0].raft_addr, "a:1");
    ck_assert_str_eq(running.file, "f");
    config_fini(&running);
    config_fini(&old);
    unload(&new);
}
END_TEST

static void reload(struct config *running, const char *yaml, int64_t max_message_bytes)
{
    struct config fresh;

    config_report_fini(&report);
    load(&fresh, yaml);
    ck_assert_uint_eq(report.n_errors, 0);
    config_hold_back(running, &fresh, max_message_bytes, &report);
    config_adopt_live(running, &fresh);
    config_fini(&fresh);
}

START_TEST(a_reload_takes_no_larger_messages_than_fit)
{
    struct config c;

    load(&c, "node_id: n1\nmax_request_size: 4MiB\n");
    reload(&c, "node_id: n1\nmax_message_size: 3MiB\n", 3 * VALUE_MIB);
    ck_assert_uint_eq(report.n_warnings, 0);
    ck_assert_int_eq(c.max_message_size_bytes, 3 * VALUE_MIB);
    reload(&c, "node_id: n1\nmax_message_size: 4MiB\n", 3 * VALUE_MIB);
    ck_assert_uint_eq(report.n_warnings, 1);
    ck_assert_str_eq(report.warnings[0], "f:2: max_message_size stays 3MiB until the next restart: the journal allows "
                                         "at most 3MiB until then");
    ck_assert_int_eq(c.max_message_size_bytes, 3 * VALUE_MIB);
    reload(&c, "node_id: n1\nmax_message_size: 8MiB\nmax_request_size: 9MiB\n", 16 * VALUE_MIB);
    ck_assert_uint_eq(report.n_warnings, 1);
    ck_assert_str_eq(report.warnings[0], "f:2: max_message_size stays 3MiB until the next restart: max_request_size "
                                         "allows at most 4MiB until then");
    ck_assert_int_eq(c.max_message_size_bytes, 3 * VALUE_MIB);
    unload(&c);
}
END_TEST

Suite *config_suite(void)
{
    Suite *s = suite_create("config");

    suite_add(s, defaults_are_those_of_the_manual);
    suite_add(s, zlib_is_taken_as_gzip);
    suite_add(s, the_newer_spelling_wins);
    suite_add(s, dangerous_settings_are_warned_about);
    suite_add(s, keys_without_effect_warn);
    suite_add(s, refusals_end_with_ex_config);
    suite_add(s, log_file_names);
    suite_add(s, threads_wait_awake_where_a_core_is_free);
    suite_add(s, a_diff_tells_what_a_reload_can_apply);
    suite_add(s, a_reload_keeps_what_needs_a_restart);
    suite_add(s, a_reload_takes_no_larger_messages_than_fit);
    return s;
}
