/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <poll.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>

#include "sys/lane.h"
#include "sys/suites.h"

#define N_JOBS 500

/* Two reactors' lanes, both played by the test's thread. */
struct fixture {
    struct sys_lanes lanes;
    struct sys_lane lane[2];
    struct sys_lane *peers[2];
};

static void fixture_make(struct fixture *fx, unsigned n_shards, unsigned n_workers)
{
    ck_assert_int_eq(sys_lanes_init(&fx->lanes, n_shards, n_workers, 0), 0);
    for (unsigned i = 0; i < 2; i++) {
        fx->peers[i] = &fx->lane[i];
        ck_assert_int_eq(sys_lane_init(&fx->lane[i], &fx->lanes, i, fx->peers, 2), 0);
    }
}

static void fixture_remove(struct fixture *fx)
{
    sys_lanes_stop(&fx->lanes);
    sys_lane_fini(&fx->lane[0]);
    sys_lane_fini(&fx->lane[1]);
    sys_lanes_fini(&fx->lanes);
}

/* Sleeps as a reactor does. */
static void deliver_next(struct sys_lane *l)
{
    struct pollfd fd = { l->inbox.event_fd, POLLIN, 0 };

    if (!sys_lane_has_local(l) && mailbox_doze(&l->inbox)) {
        ck_assert_int_eq(poll(&fd, 1, -1), 1);
        mailbox_clear_event(&l->inbox);
    }
    sys_lane_deliver(l);
}

struct job {
    struct lane_work work;
    int number, *n_run, *n_done; /* of all jobs of a test */
    pthread_t submitter, runner;
    char name[16];
};

static void job_run(struct lane_work *w)
{
    struct job *j = container_of(w, struct job, work);

    ck_assert_int_eq(j->number, (*j->n_run)++); /* one flush thread: no lock needed */
    j->runner = pthread_self();
    pthread_getname_np(pthread_self(), j->name, sizeof(j->name));
}

static void job_done(struct lane_work *w)
{
    struct job *j = container_of(w, struct job, work);

    ck_assert(pthread_equal(pthread_self(), j->submitter));
    ck_assert(!pthread_equal(pthread_self(), j->runner));
    ck_assert_int_eq(j->number, (*j->n_done)++);
}

static void submit_jobs(struct sys_lane *l, struct job *jobs, int from, int to, int *n_run, int *n_done)
{
    for (int i = from; i < to; i++) {
        jobs[i] = (struct job){ .work = { .run = job_run, .done = job_done },
                                .number = i,
                                .n_run = n_run,
                                .n_done = n_done,
                                .submitter = pthread_self() };
        lane_submit(&l->base, LANE_FLUSH, 1, &jobs[i].work);
    }
}

START_TEST(flush_keeps_submission_order)
{
    static struct job jobs[N_JOBS];
    int n_run = 0, n_done = 0;
    struct fixture fx;

    fixture_make(&fx, 2, 1);
    submit_jobs(&fx.lane[0], jobs, 0, N_JOBS / 2, &n_run, &n_done); /* before there are threads: it waits for them */
    ck_assert_int_eq(sys_lanes_start(&fx.lanes), 0);
    submit_jobs(&fx.lane[0], jobs, N_JOBS / 2, N_JOBS, &n_run, &n_done);
    while (n_done < N_JOBS)
        deliver_next(&fx.lane[0]);
    ck_assert_str_eq(jobs[0].name, "gq-flush-1");
    ck_assert_uint_eq(sys_lanes_busy_since(&fx.lanes), 0);
    fixture_remove(&fx);
}
END_TEST

START_TEST(stop_runs_what_is_queued)
{
    static struct job jobs[N_JOBS];
    int n_run = 0, n_done = 0;
    struct fixture fx;

    fixture_make(&fx, 2, 1);
    ck_assert_int_eq(sys_lanes_start(&fx.lanes), 0);
    submit_jobs(&fx.lane[0], jobs, 0, N_JOBS, &n_run, &n_done);
    sys_lanes_stop(&fx.lanes);
    ck_assert_int_eq(n_run, N_JOBS);
    ck_assert_int_eq(n_done, 0); /* completions wait in the inbox */
    sys_lane_deliver(&fx.lane[0]);
    ck_assert_int_eq(n_done, N_JOBS);
    fixture_remove(&fx);
}
END_TEST

struct meeting {
    struct lane_work work;
    sem_t *mine, *others;
    bool is_done;
};

/* Returns only when another one runs at the same time. */
static void meet(struct lane_work *w)
{
    struct meeting *m = container_of(w, struct meeting, work);

    sem_post(m->others);
    sem_wait(m->mine);
}

static void met(struct lane_work *w)
{
    container_of(w, struct meeting, work)->is_done = true;
}

START_TEST(workers_run_at_the_same_time)
{
    struct meeting m[2] = { 0 };
    struct fixture fx;
    sem_t sem[2];

    fixture_make(&fx, 1, 2);
    ck_assert_int_eq(sys_lanes_start(&fx.lanes), 0);
    for (int i = 0; i < 2; i++)
        sem_init(&sem[i], 0, 0);
    for (int i = 0; i < 2; i++) {
        m[i] = (struct meeting){ .work = { .run = meet, .done = met }, .mine = &sem[i], .others = &sem[!i] };
        lane_submit(&fx.lane[i].base, LANE_POOL, 0, &m[i].work);
    }
    while (!m[0].is_done)
        deliver_next(&fx.lane[0]);
    while (!m[1].is_done) /* comes back to the lane it was submitted on */
        deliver_next(&fx.lane[1]);
    fixture_remove(&fx);
}
END_TEST

/* Before any thread of the lanes is started. */
struct gate {
    struct lane_work work;
    sem_t *wait_for; /* may be NULL */
    bool done;
};

static void gate_run(struct lane_work *w)
{
    struct gate *g = container_of(w, struct gate, work);

    while (g->wait_for != NULL && sem_wait(g->wait_for) < 0)
        ;
}

static void gate_done(struct lane_work *w)
{
    container_of(w, struct gate, work)->done = true;
}

/* A name server that doesn't answer holds up names, and nothing else. */
START_TEST(names_hold_up_no_worker)
{
    struct gate names[3], other = { .work = { .run = gate_run, .done = gate_done } };
    struct fixture fx;
    sem_t answer;

    sem_init(&answer, 0, 0);
    fixture_make(&fx, 1, 1);
    ck_assert_int_eq(sys_lanes_start(&fx.lanes), 0);
    for (int i = 0; i < 3; i++) {
        names[i] = (struct gate){ .work = { .run = gate_run, .done = gate_done }, .wait_for = &answer };
        lane_submit(&fx.lane[0].base, LANE_NAMES, 0, &names[i].work);
    }
    lane_submit(&fx.lane[0].base, LANE_POOL, 0, &other.work);
    while (!other.done)
        deliver_next(&fx.lane[0]);
    for (int i = 0; i < 3; i++) {
        ck_assert(!names[i].done);
        sem_post(&answer);
    }
    while (!names[0].done || !names[1].done || !names[2].done)
        deliver_next(&fx.lane[0]);
    fixture_remove(&fx);
    sem_destroy(&answer);
}
END_TEST

START_TEST(start_up_work_runs_at_the_same_time)
{
    struct meeting m[2] = { 0 };
    struct lane_work *works[] = { &m[0].work, &m[1].work };
    struct fixture fx;
    sem_t sem[2];

    fixture_make(&fx, 1, 1);
    for (int i = 0; i < 2; i++) {
        sem_init(&sem[i], 0, 0);
        m[i] = (struct meeting){ .work = { .run = meet, .done = met }, .mine = &sem[i] };
    }
    m[0].others = &sem[1];
    m[1].others = &sem[0];
    lane_run_all(&fx.lane[0].base, works, 2);
    ck_assert(!m[0].is_done && !m[1].is_done);
    fixture_remove(&fx);
}
END_TEST

struct held {
    struct lane_work work;
    sem_t started, go_on;
    bool blocks_term, blocks_segv, is_done;
    atomic_bool is_over;
};

static void hold(struct lane_work *w)
{
    struct held *h = container_of(w, struct held, work);
    sigset_t mask;

    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    h->blocks_term = sigismember(&mask, SIGTERM);
    h->blocks_segv = sigismember(&mask, SIGSEGV);
    sem_post(&h->started);
    sem_wait(&h->go_on);
    atomic_store(&h->is_over, true);
}

static void held_done(struct lane_work *w)
{
    container_of(w, struct held, work)->is_done = true;
}

START_TEST(a_running_flush_is_seen)
{
    struct held h = { .work = { .run = hold, .done = held_done } };
    struct fixture fx;

    sem_init(&h.started, 0, 0);
    sem_init(&h.go_on, 0, 0);
    fixture_make(&fx, 2, 1);
    ck_assert_int_eq(sys_lanes_start(&fx.lanes), 0);
    ck_assert_uint_eq(sys_lanes_busy_since(&fx.lanes), 0);
    lane_submit(&fx.lane[0].base, LANE_FLUSH, 0, &h.work);
    sem_wait(&h.started);
    ck_assert_uint_ne(sys_lanes_busy_since(&fx.lanes), 0);
    ck_assert(h.blocks_term);
    ck_assert(!h.blocks_segv);
    sem_post(&h.go_on);
    while (!h.is_done)
        deliver_next(&fx.lane[0]);
    sys_lanes_stop(&fx.lanes);
    ck_assert_uint_eq(sys_lanes_busy_since(&fx.lanes), 0);
    fixture_remove(&fx);
}
END_TEST

#define FOR_EVER_NS ((uint64_t)1000000 * 1000000000)

struct yielding {
    struct lane_work work;
    struct env_lane *lane;
    uint64_t max_ns;
    const struct held *flush;
    bool flush_was_over, is_done;
};

static void yield_to_flushes(struct lane_work *w)
{
    struct yielding *y = container_of(w, struct yielding, work);

    lane_give_way(y->lane, y->max_ns);
    y->flush_was_over = y->flush->is_over;
}

static void yielding_done(struct lane_work *w)
{
    container_of(w, struct yielding, work)->is_done = true;
}

static void let_yield(struct fixture *fx, struct yielding *y, const struct held *flush, uint64_t max_ns)
{
    *y = (struct yielding){ .work = { .run = yield_to_flushes, .done = yielding_done },
                            .lane = &fx->lane[1].base,
                            .max_ns = max_ns,
                            .flush = flush };
    lane_submit(y->lane, LANE_POOL, 0, &y->work);
}

START_TEST(a_worker_gives_way_to_flushes)
{
    struct held h = { .work = { .run = hold, .done = held_done } };
    struct yielding y;
    struct fixture fx;

    sem_init(&h.started, 0, 0);
    sem_init(&h.go_on, 0, 0);
    fixture_make(&fx, 2, 1);
    ck_assert_int_eq(sys_lanes_start(&fx.lanes), 0);
    let_yield(&fx, &y, &h, FOR_EVER_NS); /* nothing runs */
    while (!y.is_done)
        deliver_next(&fx.lane[1]);
    lane_submit(&fx.lane[0].base, LANE_FLUSH, 1, &h.work);
    sem_wait(&h.started);
    let_yield(&fx, &y, &h, 1000); /* not for longer than it said */
    while (!y.is_done)
        deliver_next(&fx.lane[1]);
    ck_assert(!y.flush_was_over);
    let_yield(&fx, &y, &h, FOR_EVER_NS);
    while (atomic_load(&fx.lanes.give_way.n_waiting) == 0)
        sched_yield();
    sem_post(&h.go_on);
    while (!y.is_done)
        deliver_next(&fx.lane[1]);
    ck_assert(y.flush_was_over);
    fixture_remove(&fx);
}
END_TEST

struct letter {
    struct lane_mail mail;
    struct sys_lane *again; /* posts itself there once more */
    int n_delivered;
};

static void deliver_letter(struct lane_mail *m)
{
    struct letter *l = container_of(m, struct letter, mail);

    l->n_delivered++;
    if (l->again != NULL)
        lane_post(&l->again->base, l->again->base.reactor, m);
}

START_TEST(mail_to_oneself_waits_for_the_next_turn)
{
    struct letter l = { .mail.deliver = deliver_letter };
    struct fixture fx;

    fixture_make(&fx, 1, 1);
    l.again = &fx.lane[0];
    lane_post(&fx.lane[0].base, 0, &l.mail);
    ck_assert_int_eq(l.n_delivered, 0);
    for (int turn = 1; turn < 5; turn++) {
        ck_assert(sys_lane_has_local(&fx.lane[0]));
        sys_lane_deliver(&fx.lane[0]);
        ck_assert_int_eq(l.n_delivered, turn);
    }
    fixture_remove(&fx);
}
END_TEST

START_TEST(what_arrives_may_post_to_its_own_reactor)
{
    struct letter l = { .mail.deliver = deliver_letter };
    struct fixture fx;

    fixture_make(&fx, 1, 1);
    l.again = &fx.lane[0];
    sys_lane_post_outside(&fx.lane[0], &l.mail);
    sys_lane_deliver(&fx.lane[0]);
    ck_assert_int_eq(l.n_delivered, 2); /* what it posted has come too, but not what that posted */
    ck_assert(sys_lane_has_local(&fx.lane[0]));
    fixture_remove(&fx);
}
END_TEST

START_TEST(mail_goes_to_its_reactor)
{
    struct letter here = { .mail.deliver = deliver_letter }, outside = { .mail.deliver = deliver_letter };
    struct fixture fx;

    fixture_make(&fx, 1, 1);
    lane_post(&fx.lane[0].base, 1, &here.mail);
    sys_lane_post_outside(&fx.lane[1], &outside.mail);
    sys_lane_deliver(&fx.lane[0]);
    ck_assert_int_eq(here.n_delivered + outside.n_delivered, 0);
    sys_lane_deliver(&fx.lane[1]);
    ck_assert_int_eq(here.n_delivered, 1);
    ck_assert_int_eq(outside.n_delivered, 1);
    fixture_remove(&fx);
}
END_TEST

Suite *lane_suite(void)
{
    Suite *s = suite_create("lane");

    suite_add(s, flush_keeps_submission_order);
    suite_add(s, stop_runs_what_is_queued);
    suite_add(s, workers_run_at_the_same_time);
    suite_add(s, names_hold_up_no_worker);
    suite_add(s, start_up_work_runs_at_the_same_time);
    suite_add(s, a_running_flush_is_seen);
    suite_add(s, a_worker_gives_way_to_flushes);
    suite_add(s, mail_to_oneself_waits_for_the_next_turn);
    suite_add(s, what_arrives_may_post_to_its_own_reactor);
    suite_add(s, mail_goes_to_its_reactor);
    return s;
}
