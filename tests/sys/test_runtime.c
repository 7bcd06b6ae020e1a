/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

#include "sys/runtime_impl.h"
#include "sys/suites.h"

static struct sys_runtime *make(unsigned n_reactors)
{
    struct sys_runtime_config config = { .n_reactors = n_reactors, .n_shards = 2, .n_workers = 2 };
    struct sys_runtime *rt = NULL;

    ck_assert_int_eq(sys_runtime_new(&config, &rt), 0);
    return rt;
}

static const struct sys_runtime_hooks no_hooks;

static void stop_and_free(struct sys_runtime *rt)
{
    sys_runtime_request_stop(rt);
    ck_assert_int_eq(sys_runtime_run(rt, &no_hooks), 0);
    sys_runtime_free(rt);
}

static uint64_t idle_turn(void *ctx, uint64_t now_ns)
{
    return UINT64_MAX;
}

static void set_idle(struct sys_runtime *rt, unsigned n_reactors)
{
    for (unsigned i = 0; i < n_reactors; i++)
        sys_runtime_set_handler(rt, i, &(struct sys_reactor_handler){ .turn = idle_turn });
}

START_TEST(starts_and_stops)
{
    for (unsigned n = 1; n <= 4; n++) {
        struct sys_runtime *rt = make(n);

        set_idle(rt, n);
        ck_assert_int_eq(sys_runtime_start(rt), 0);
        stop_and_free(rt);
    }
    sys_runtime_free(make(2)); /* never started */
    sys_runtime_free(NULL);
}
END_TEST

/* A token goes round the reactors; each has its own env, and everything happens on its own thread. */
struct token {
    struct lane_mail mail;
    struct sys_runtime *rt;
    unsigned at, n_reactors, left;
    pthread_t thread[3];
    unsigned n_visits[3];
};

static void deliver_token(struct lane_mail *m)
{
    struct token *t = container_of(m, struct token, mail);
    struct env *env = sys_runtime_envs(t->rt)[t->at];

    ck_assert_uint_eq(env->lane->reactor, t->at);
    if (t->n_visits[t->at]++ == 0)
        t->thread[t->at] = pthread_self();
    ck_assert(pthread_equal(t->thread[t->at], pthread_self()));
    if (--t->left == 0) {
        sys_runtime_request_stop(t->rt);
        return;
    }
    t->at = (t->at + 1) % t->n_reactors;
    lane_post(env->lane, t->at, m);
}

START_TEST(mail_goes_round)
{
    struct token t = { .mail.deliver = deliver_token, .n_reactors = 3, .left = 3000 };

    t.rt = make(3);
    set_idle(t.rt, 3);
    ck_assert_int_eq(sys_runtime_start(t.rt), 0);
    sys_runtime_post(t.rt, 0, &t.mail);
    ck_assert_int_eq(sys_runtime_run(t.rt, &no_hooks), 0);
    for (int i = 0; i < 3; i++)
        ck_assert_uint_eq(t.n_visits[i], 1000);
    ck_assert(!pthread_equal(t.thread[0], t.thread[1]));
    sys_runtime_free(t.rt);
}
END_TEST

/* One reactor's turns until a deadline that it set at its first. */
struct sleeper {
    struct sys_runtime *rt;
    uint64_t deadline_ns, last_ns;
    unsigned n_turns, n_starts;
};

static void sleeper_start(void *ctx)
{
    struct sleeper *s = ctx;

    ck_assert_uint_eq(s->n_turns, 0);
    s->n_starts++;
}

static uint64_t sleeper_turn(void *ctx, uint64_t now_ns)
{
    struct sleeper *s = ctx;

    ck_assert_uint_ge(now_ns, s->last_ns);
    s->last_ns = now_ns;
    if (s->n_turns++ == 0)
        s->deadline_ns = now_ns + 50000000;
    if (now_ns < s->deadline_ns)
        return s->deadline_ns;
    sys_runtime_request_stop(s->rt);
    return UINT64_MAX;
}

START_TEST(sleeps_until_the_deadline)
{
    struct sleeper s = { 0 };

    s.rt = make(1);
    sys_runtime_set_handler(s.rt, 0,
                            &(struct sys_reactor_handler){ .start = sleeper_start, .turn = sleeper_turn, .ctx = &s });
    ck_assert_int_eq(sys_runtime_start(s.rt), 0);
    ck_assert_int_eq(sys_runtime_run(s.rt, &no_hooks), 0);
    ck_assert_uint_eq(s.n_starts, 1);
    ck_assert_uint_ge(s.last_ns, s.deadline_ns);
    ck_assert_uint_lt(s.n_turns, 20); /* a loop that spins makes thousands */
    sys_runtime_free(s.rt);
}
END_TEST

/* A thread without a budget doesn't look at the clock before it sleeps, so it can't wait awake. */
static void check_spin(uint64_t spin_ns)
{
    struct sys_runtime_config config = { .n_reactors = 1, .n_shards = 2, .n_workers = 2, .spin_ns = spin_ns };
    struct sleeper s = { 0 };

    ck_assert_int_eq(sys_runtime_new(&config, &s.rt), 0);
    sys_runtime_set_handler(s.rt, 0, &(struct sys_reactor_handler){ .turn = sleeper_turn, .ctx = &s });
    ck_assert_int_eq(sys_runtime_start(s.rt), 0);
    ck_assert_int_eq(sys_runtime_run(s.rt, &no_hooks), 0);
    ck_assert_uint_ge(s.last_ns, s.deadline_ns);
    ck_assert_uint_eq(s.rt->reactors[0].spin.budget_ns, spin_ns);
    ck_assert((s.rt->reactors[0].spin.begun_ns != 0) == (spin_ns > 0));
    for (unsigned i = 0; i < 2; i++) {
        ck_assert_uint_eq(s.rt->lanes.flush[i].spin.budget_ns, spin_ns);
        ck_assert(s.rt->lanes.flush[i].spin.begun_ns == 0 || spin_ns > 0);
    }
    sys_runtime_free(s.rt);
}

START_TEST(without_a_budget_nobody_waits_awake)
{
    check_spin(0);
    check_spin(1000000);
}
END_TEST

/* Mail that comes after the batch has looked for mail, and before the reactor sleeps: nobody is woken for it. */
struct late {
    struct lane_mail mail;
    struct sys_runtime *rt;
    unsigned n_turns, n_delivered;
};

static void late_deliver(struct lane_mail *m)
{
    struct late *l = container_of(m, struct late, mail);

    if (++l->n_delivered == 3)
        sys_runtime_request_stop(l->rt);
}

static uint64_t late_turn(void *ctx, uint64_t now_ns)
{
    struct late *l = ctx;

    if (l->n_turns++ == l->n_delivered && l->n_delivered < 3)
        sys_runtime_post(l->rt, 0, &l->mail);
    return UINT64_MAX;
}

START_TEST(does_not_sleep_over_late_mail)
{
    struct late l = { .mail.deliver = late_deliver };

    l.rt = make(1);
    sys_runtime_set_handler(l.rt, 0, &(struct sys_reactor_handler){ .turn = late_turn, .ctx = &l });
    ck_assert_int_eq(sys_runtime_start(l.rt), 0);
    ck_assert_int_eq(sys_runtime_run(l.rt, &no_hooks), 0);
    sys_runtime_free(l.rt);
}
END_TEST

START_TEST(keeps_sigpipe_away)
{
    struct sys_runtime *rt = make(1);

    ck_assert_int_eq(raise(SIGPIPE), 0);
    sys_runtime_free(rt);
    ck_assert_ptr_eq(signal(SIGPIPE, SIG_DFL), SIG_DFL); /* as it was */
}
END_TEST

struct events {
    struct sys_runtime *rt;
    int n_reloads, n_stopping, signo;
};

static void on_reload(void *ctx)
{
    struct events *e = ctx;

    if (++e->n_reloads == 2)
        kill(getpid(), SIGTERM);
    else
        kill(getpid(), SIGHUP);
}

static void on_stopping(void *ctx, int signo)
{
    struct events *e = ctx;

    e->n_stopping++;
    e->signo = signo;
}

START_TEST(signals_reload_and_stop)
{
    struct events e = { 0 };
    struct sys_runtime_hooks hooks = { .reload = on_reload, .stopping = on_stopping, .ctx = &e };

    e.rt = make(2);
    set_idle(e.rt, 2);
    kill(getpid(), SIGHUP); /* one that comes while the node recovers waits */
    ck_assert_int_eq(sys_runtime_start(e.rt), 0);
    ck_assert_int_eq(sys_runtime_run(e.rt, &hooks), 0);
    ck_assert_int_eq(e.n_reloads, 2);
    ck_assert_int_eq(e.n_stopping, 1);
    ck_assert_int_eq(e.signo, SIGTERM);
    sys_runtime_free(e.rt);
}
END_TEST

/* Stops only when it is told to. */
struct slow {
    struct sys_runtime *rt;
    atomic_int n_stops;
    struct lane_mail now;
};

static void slow_stop(void *ctx)
{
    atomic_fetch_add(&((struct slow *)ctx)->n_stops, 1);
}

static void slow_now(struct lane_mail *m)
{
    sys_runtime_stopped(container_of(m, struct slow, now)->rt, 0);
}

static void slow_make(struct slow *s)
{
    *s = (struct slow){ .now.deliver = slow_now };
    s->rt = make(1);
    sys_runtime_set_handler(s->rt, 0, &(struct sys_reactor_handler){ .turn = idle_turn, .stop = slow_stop, .ctx = s });
    ck_assert_int_eq(sys_runtime_start(s->rt), 0);
}

static void slow_end(struct slow *s)
{
    sys_runtime_post(s->rt, 0, &s->now);
    while (sys_runtime_run(s->rt, &no_hooks) != 0)
        ;
    ck_assert_int_eq(s->n_stops, 1);
    sys_runtime_free(s->rt);
}

START_TEST(stopping_has_a_time_limit)
{
    struct sys_runtime_hooks hooks = { .stop_timeout_ns = 20000000 };
    struct slow s;

    slow_make(&s);
    sys_runtime_request_stop(s.rt);
    ck_assert_int_eq(sys_runtime_run(s.rt, &hooks), -ETIMEDOUT);
    slow_end(&s);
}
END_TEST

static void interrupt_again(void *ctx, int signo)
{
    kill(getpid(), SIGINT);
}

START_TEST(a_second_signal_ends_the_waiting)
{
    struct sys_runtime_hooks hooks = { .stopping = interrupt_again };
    struct slow s;

    slow_make(&s);
    kill(getpid(), SIGINT);
    ck_assert_int_eq(sys_runtime_run(s.rt, &hooks), -EINTR);
    slow_end(&s);
}
END_TEST

/* Mail that was posted before a reactor said that it has stopped is delivered before the threads end. */
struct parting {
    struct lane_mail mail;
    struct sys_runtime *rt;
    bool delivered;
};

static void parting_deliver(struct lane_mail *m)
{
    container_of(m, struct parting, mail)->delivered = true;
}

static void parting_stop(void *ctx)
{
    struct parting *p = ctx;

    lane_post(sys_runtime_envs(p->rt)[1]->lane, 0, &p->mail);
    sys_runtime_stopped(p->rt, 1);
}

START_TEST(last_mail_arrives)
{
    struct parting p = { .mail.deliver = parting_deliver };

    p.rt = make(2);
    set_idle(p.rt, 1);
    sys_runtime_set_handler(p.rt, 1,
                            &(struct sys_reactor_handler){ .turn = idle_turn, .stop = parting_stop, .ctx = &p });
    ck_assert_int_eq(sys_runtime_start(p.rt), 0);
    stop_and_free(p.rt);
    ck_assert(p.delivered);
}
END_TEST

/* Something that blocks where nothing may. */
struct blocker {
    struct lane_mail mail;
    struct lane_work work;
    struct env *env;
    sem_t started, go_on;
};

static void block(struct blocker *b)
{
    sem_post(&b->started);
    sem_wait(&b->go_on);
}

static void block_reactor(struct lane_mail *m)
{
    block(container_of(m, struct blocker, mail));
}

static void block_flush(struct lane_work *w)
{
    block(container_of(w, struct blocker, work));
}

static void flush_done(struct lane_work *w)
{
}

static void submit_blocking_flush(struct lane_mail *m)
{
    struct blocker *b = container_of(m, struct blocker, mail);

    lane_submit(b->env->lane, LANE_FLUSH, 1, &b->work);
}

static void blocker_make(struct blocker *b, struct sys_runtime *rt, void (*deliver)(struct lane_mail *m))
{
    *b = (struct blocker){ .mail.deliver = deliver,
                           .work = { .run = block_flush, .done = flush_done },
                           .env = sys_runtime_envs(rt)[1] };
    sem_init(&b->started, 0, 0);
    sem_init(&b->go_on, 0, 0);
    set_idle(rt, 2);
    ck_assert_int_eq(sys_runtime_start(rt), 0);
    sys_runtime_post(rt, 1, &b->mail);
    sem_wait(&b->started);
}

START_TEST(a_stuck_reactor_is_no_progress)
{
    struct sys_runtime *rt = make(2);
    struct error_text err = { "" };
    struct blocker b;

    blocker_make(&b, rt, block_reactor);
    ck_assert(sys_runtime_progress(rt, UINT64_MAX, &err)); /* asks */
    ck_assert(!sys_runtime_progress(rt, UINT64_MAX, &err));
    ck_assert_str_eq(err.text, "reactor 1 made no turn");
    sem_post(&b.go_on);
    while (!sys_runtime_progress(rt, UINT64_MAX, NULL))
        usleep(1000);
    stop_and_free(rt);
}
END_TEST

START_TEST(a_stuck_flush_is_no_progress)
{
    struct sys_runtime *rt = make(2);
    struct error_text err = { "" };
    struct blocker b;

    blocker_make(&b, rt, submit_blocking_flush);
    ck_assert(sys_runtime_progress(rt, 3600000000000, &err));
    usleep(1000);
    ck_assert(!sys_runtime_progress(rt, 0, &err));
    ck_assert_ptr_nonnull(strstr(err.text, "a journal flush has been running for"));
    sem_post(&b.go_on);
    while (!sys_runtime_progress(rt, 0, NULL))
        usleep(1000);
    stop_and_free(rt);
}
END_TEST

Suite *runtime_suite(void)
{
    Suite *s = suite_create("runtime");
    TCase *timed = tcase_create("timed");

    suite_add(s, starts_and_stops);
    suite_add(s, mail_goes_round);
    tcase_set_timeout(timed, 20); /* libev wakes by itself after a minute */
    tcase_add_test(timed, sleeps_until_the_deadline);
    tcase_add_test(timed, without_a_budget_nobody_waits_awake);
    suite_add_tcase(s, timed);
    suite_add(s, does_not_sleep_over_late_mail);
    suite_add(s, keeps_sigpipe_away);
    suite_add(s, signals_reload_and_stop);
    suite_add(s, stopping_has_a_time_limit);
    suite_add(s, a_second_signal_ends_the_waiting);
    suite_add(s, last_mail_arrives);
    suite_add(s, a_stuck_reactor_is_no_progress);
    suite_add(s, a_stuck_flush_is_no_progress);
    return s;
}
