/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config/cmdline.h"

#include <stdio.h>
#include <sysexits.h>
#include <unistd.h>

#include "config/suites.h"

static struct cmdline cl;
static struct config config;
static struct config_report report;
static const struct config_environment no_environment;

#define A(text) ((char *)(text))

static int parse(char **argv)
{
    int argc = 0;

    while (argv[argc] != NULL)
        argc++;
    config_report_init(&report);
    return cmdline_parse(&cl, argc, argv, &report);
}

/* In an empty directory, so that no ./broker.yaml is there unless the test puts it. */
static void enter_directory(void)
{
    char dir[] = "/tmp/goqueue-test-XXXXXX";

    ck_assert_ptr_nonnull(mkdtemp(dir));
    ck_assert_int_eq(chdir(dir), 0);
}

static void leave_directory(void)
{
    char dir[256];

    ck_assert_ptr_nonnull(getcwd(dir, sizeof(dir)));
    unlink("broker.yaml");
    unlink("n1.yaml");
    ck_assert_int_eq(chdir("/"), 0);
    ck_assert_int_eq(rmdir(dir), 0);
}

static void put_file(const char *name, const char *text)
{
    FILE *f = fopen(name, "w");

    ck_assert_ptr_nonnull(f);
    fputs(text, f);
    fclose(f);
}

static int load(char **argv, const struct config_environment *env)
{
    ck_assert_int_eq(parse(argv), 0);
    return cmdline_load(&cl, env, &config, &report);
}

static void unload(void)
{
    cmdline_fini(&cl);
    config_fini(&config);
    config_report_fini(&report);
}

START_TEST(every_flag_reaches_its_member)
{
    char *argv[] = { A("brokerd"),
                     A("-node-id=broker-1"),
                     A("--bind-addr"),
                     A("0.0.0.0"),
                     A("-bind-port=0"),
                     A("--data-dir=/srv/d"),
                     A("-log-dir=./logs"),
                     A("-raft-addr=127.0.0.1:7001"),
                     A("-discovery-type=etcd"),
                     A("-discovery-endpoints=127.0.0.1:2379,127.0.0.1:2380"),
                     A("-enable-follower-read"),
                     NULL };

    enter_directory();
    ck_assert_int_eq(load(argv, &no_environment), CONFIG_E_INVALID);
    ck_assert_str_eq(config.node_id, "broker-1");
    ck_assert_str_eq(config.bind_addr, "0.0.0.0");
    ck_assert_int_eq(config.bind_port, 0);
    ck_assert_str_eq(config.data_dir, "/srv/d");
    ck_assert_str_eq(config.log_dir, "./logs");
    ck_assert_str_eq(config.raft.raft_addr, "127.0.0.1:7001");
    ck_assert_int_eq(config.discovery.type, CONFIG_DISCOVERY_ETCD);
    ck_assert_uint_eq(config.discovery.endpoints.n, 2);
    ck_assert_str_eq(config.discovery.endpoints.items[1], "127.0.0.1:2380");
    ck_assert(config.enable_follower_read);
    /* What isn't there yet is a matter of the configuration, not of the usage. */
    ck_assert_uint_eq(report.n_errors, 1);
    ck_assert_str_eq(report.errors[0], "--discovery-type: 'etcd' doesn't work yet, only 'memory' does");
    ck_assert_int_eq(config_report_status(&report), EX_CONFIG);
    ck_assert_uint_eq(report.n_warnings, 4);
    ck_assert_str_eq(report.warnings[0], "--enable-follower-read has no effect yet");
    ck_assert_str_eq(report.warnings[3],
                     "--bind-addr: 0.0.0.0 can be reached from other machines, and clients are not authenticated");
    unload();
    leave_directory();
}
END_TEST

START_TEST(the_guide_s_command_line_starts)
{
    char *argv[] = { A("./go-queue-broker"),         A("-node-id=broker-1"),
                     A("-bind-addr=127.0.0.1"),      A("-bind-port=9092"),
                     A("-data-dir=./data/broker-1"), A("-log-dir=./logs"),
                     A("-discovery-type=memory"),    NULL };

    enter_directory();
    ck_assert_int_eq(load(argv, &no_environment), 0);
    ck_assert_ptr_null(config.file);
    ck_assert_uint_eq(report.n_warnings, 0);
    unload();
    leave_directory();
}
END_TEST

START_TEST(the_command_line_wins_over_the_file)
{
    char *argv[] = { A("brokerd"), A("--bind-port=3"), A("--discovery-endpoints=b:2"), NULL };

    enter_directory();
    put_file("broker.yaml", "node_id: n1\nbind_port: 2\nnum_partitions: 8\ndiscovery: { endpoints: [ 'a:1' ] }\n");
    ck_assert_int_eq(load(argv, &no_environment), 0);
    ck_assert_str_eq(config.file, "./broker.yaml");
    ck_assert_str_eq(config.node_id, "n1");
    ck_assert_int_eq(config.bind_port, 3);
    ck_assert_int_eq(config.num_partitions, 8);
    ck_assert_uint_eq(config.discovery.endpoints.n, 1);
    ck_assert_str_eq(config.discovery.endpoints.items[0], "b:2");
    unload();
    leave_directory();
}
END_TEST

START_TEST(of_a_flag_given_twice_the_last_counts)
{
    char *argv[] = { A("brokerd"), A("--node-id=n1"), A("--bind-port=99999"), A("--bind-port=7"), NULL };

    enter_directory();
    ck_assert_int_eq(load(argv, &no_environment), 0);
    ck_assert_int_eq(config.bind_port, 7);
    unload();
    leave_directory();
}
END_TEST

START_TEST(a_service_reads_the_file_of_its_node)
{
    char *argv[] = { A("brokerd"), A("--node-id=n1"), NULL };
    struct config_environment env = { .configuration_directory = ".", .state_directory = "/var/lib/goqueue/n1:/x" };

    enter_directory();
    put_file("broker.yaml", "bind_port: 1\n"); /* not this one */
    put_file("n1.yaml", "bind_port: 2\n");
    ck_assert_int_eq(load(argv, &env), 0);
    ck_assert_str_eq(config.file, "./n1.yaml");
    ck_assert_int_eq(config.bind_port, 2);
    ck_assert_str_eq(config.data_dir, "/var/lib/goqueue/n1");
    unload();
    unlink("n1.yaml"); /* a service without its file doesn't start */
    ck_assert_int_eq(load(argv, &env), CONFIG_E_INVALID);
    ck_assert_str_eq(report.errors[0], "./n1.yaml: the configuration file can't be read: No such file or directory");
    ck_assert_int_eq(config_report_status(&report), EX_CONFIG);
    unload();
    env = (struct config_environment){ .notify_socket = "/run/systemd/notify" };
    ck_assert_int_eq(load(argv, &env), CONFIG_E_INVALID);
    ck_assert_str_eq(report.errors[0],
                     "/etc/goqueue/n1.yaml: the configuration file can't be read: No such file or directory");
    unload();
    leave_directory();
}
END_TEST

START_TEST(config_names_the_file)
{
    char *argv[] = { A("brokerd"), A("--node-id=n1"), A("--config=n1.yaml"), NULL };

    enter_directory();
    put_file("broker.yaml", "bind_port: 1\n");
    put_file("n1.yaml", "data_dir: d\n");
    ck_assert_int_eq(load(argv, &(struct config_environment){ .state_directory = "/var/lib/x" }), 0);
    ck_assert_str_eq(config.file, "n1.yaml");
    ck_assert_str_eq(config.data_dir, "d"); /* before systemd's */
    unload();
    leave_directory();
}
END_TEST

START_TEST(errors_of_the_command_line_are_usage)
{
    static const struct {
        const char *arg, *sentence;
    } rows[] = {
        { "--bind-port=99999", "--bind-port: '99999' is out of range (0 to 65535)" },
        { "--bind-addr=", "--bind-addr: '' is not an IP address or host name" },
        { "--raft-addr=7001", "--raft-addr: '7001' is not an address (like 127.0.0.1:7001 or [::1]:7001)" },
        { "--discovery-type=zookeeper", "--discovery-type: 'zookeeper' is not one of memory, static or etcd" },
        { "--discovery-endpoints=a:1,,b:1",
          "--discovery-endpoints: '' is not an endpoint (like 127.0.0.1:2379, https://host:2379 or "
          "n1=127.0.0.1:7001)" },
        { "--node-id=a b", "--node-id: 'a b' is not a name (letters, digits, '.', '_', '-'; a letter or digit first)" },
    };

    enter_directory();
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char *argv[] = { A("brokerd"), A("--node-id=n1"), A(rows[i].arg), NULL };

        ck_assert_int_eq(load(argv, &no_environment), CONFIG_E_INVALID);
        ck_assert_str_eq(report.errors[0], rows[i].sentence);
        ck_assert_int_eq(config_report_status(&report), EX_USAGE);
        unload();
    }
    leave_directory();
}
END_TEST

START_TEST(a_node_needs_a_name)
{
    char *argv[] = { A("brokerd"), NULL };

    enter_directory();
    ck_assert_int_eq(load(argv, &no_environment), CONFIG_E_INVALID);
    ck_assert_str_eq(report.errors[0],
                     "--node-id is missing: every node needs a unique name (--node-id=NAME, or node_id "
                     "in the YAML file)");
    ck_assert_int_eq(config_report_status(&report), EX_USAGE);
    unload();
    leave_directory();
}
END_TEST

START_TEST(actions)
{
    static const struct {
        const char *arg;
        enum cmdline_action action;
    } rows[] = {
        { "--help", CMDLINE_HELP },
        { "-h", CMDLINE_HELP },
        { "-version", CMDLINE_VERSION },
        { "-V", CMDLINE_VERSION },
        { "--check-config", CMDLINE_CHECK_CONFIG },
        { "--check-config=false", CMDLINE_RUN },
        { "--repair", CMDLINE_REPAIR },
        { "--repair=keep-newest", CMDLINE_REPAIR },
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char *argv[] = { A("brokerd"), A(rows[i].arg), NULL };

        ck_assert_int_eq(parse(argv), 0);
        ck_assert_int_eq(cl.action, rows[i].action);
        cmdline_fini(&cl);
        config_report_fini(&report);
    }
}
END_TEST

START_TEST(what_is_no_flag_is_refused)
{
    char *unknown[] = { A("brokerd"), A("--bind-prot=1"), NULL };
    char *stray[] = { A("brokerd"), A("--enable-follower-read"), A("true"), NULL };

    ck_assert_int_eq(parse(unknown), CONFIG_E_INVALID);
    ck_assert_str_eq(report.errors[0], "unknown flag 'bind-prot' (did you mean --bind-port?)");
    ck_assert_int_eq(config_report_status(&report), EX_USAGE);
    config_report_fini(&report);
    ck_assert_int_eq(parse(stray), CONFIG_E_INVALID);
    ck_assert_str_eq(report.errors[0], "unexpected argument 'true' (flags are --NAME=VALUE, --help lists them)");
    ck_assert_int_eq(config_report_status(&report), EX_USAGE);
    config_report_fini(&report);
}
END_TEST

START_TEST(help_names_every_flag)
{
    struct cmdline_table table;
    char *text = cmdline_help("brokerd");

    cmdline_table_init(&table);
    for (size_t i = 0; i < CMDLINE_N_FLAGS; i++) {
        char *flag = xasprintf("\n  --%s", table.specs[i].name);

        ck_assert_msg(strstr(text, flag) != NULL, "%s", flag);
        free(flag);
    }
    ck_assert_ptr_nonnull(strstr(text, "(default: 9092)"));
    free(text);
}
END_TEST

Suite *cmdline_suite(void)
{
    Suite *s = suite_create("cmdline");

    suite_add(s, every_flag_reaches_its_member);
    suite_add(s, the_guide_s_command_line_starts);
    suite_add(s, the_command_line_wins_over_the_file);
    suite_add(s, of_a_flag_given_twice_the_last_counts);
    suite_add(s, a_service_reads_the_file_of_its_node);
    suite_add(s, config_names_the_file);
    suite_add(s, errors_of_the_command_line_are_usage);
    suite_add(s, a_node_needs_a_name);
    suite_add(s, actions);
    suite_add(s, what_is_no_flag_is_refused);
    suite_add(s, help_names_every_flag);
    return s;
}
