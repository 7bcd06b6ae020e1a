/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <poll.h>
#include <unistd.h>

#include "sys/mailbox.h"
#include "sys/suites.h"
#include "sys/thread.h"

struct note {
    struct list link;
    int sender, number;
};

static bool is_readable(struct mailbox *m)
{
    struct pollfd fd = { m->event_fd, POLLIN, 0 };

    return poll(&fd, 1, 0) == 1;
}

START_TEST(takes_all_oldest_first)
{
    struct note notes[3] = { { .number = 0 }, { .number = 1 }, { .number = 2 } };
    struct mailbox m;
    struct list *node;

    ck_assert_int_eq(mailbox_init(&m, false), 0);
    ck_assert_ptr_null(mailbox_take(&m));
    for (int i = 0; i < 3; i++)
        mailbox_push(&m, &notes[i].link);
    node = mailbox_take(&m);
    for (int i = 0; i < 3; i++, node = node->next)
        ck_assert_int_eq(list_entry(node, struct note, link)->number, i);
    ck_assert_ptr_null(node);
    ck_assert_ptr_null(mailbox_take(&m));
    mailbox_fini(&m);
}
END_TEST

START_TEST(only_a_sleeper_is_woken)
{
    struct note a, b, c, d;
    struct mailbox m;

    ck_assert_int_eq(mailbox_init(&m, false), 0);
    mailbox_push(&m, &a.link); /* awake: no system call */
    ck_assert(!is_readable(&m));
    ck_assert(!mailbox_doze(&m)); /* not while there is mail */
    ck_assert_ptr_nonnull(mailbox_take(&m));

    ck_assert(mailbox_doze(&m));
    mailbox_push(&m, &b.link);
    ck_assert(is_readable(&m));
    mailbox_clear_event(&m);
    mailbox_push(&m, &c.link); /* woken already */
    ck_assert(!is_readable(&m));
    ck_assert_ptr_eq(mailbox_take(&m)->next, &c.link);

    ck_assert(mailbox_doze(&m));
    mailbox_rouse(&m); /* woken by something else */
    mailbox_push(&m, &d.link);
    ck_assert(!is_readable(&m));
    mailbox_rouse(&m); /* leaves mail alone */
    ck_assert_ptr_eq(mailbox_take(&m), &d.link);

    ck_assert(mailbox_doze(&m));
    ck_assert_ptr_null(mailbox_take(&m)); /* a sleeper that looks finds it empty, and is awake */
    mailbox_push(&m, &a.link);
    ck_assert(!is_readable(&m));
    mailbox_fini(&m);
}
END_TEST

#define N_SENDERS 4
#define N_NOTES 5000

struct sender {
    struct mailbox *to;
    struct note notes[N_NOTES];
    struct sys_thread thread;
};

static void send_notes(void *ctx)
{
    struct sender *s = ctx;

    for (int i = 0; i < N_NOTES; i++)
        mailbox_push(s->to, &s->notes[i].link);
}

/* A receiver that sleeps whenever it can, against senders that never wait: a lost wake-up would hang here. */
START_TEST(many_senders_keep_their_order)
{
    static struct sender senders[N_SENDERS];
    int next[N_SENDERS] = { 0 }, total = 0;
    struct mailbox m;

    ck_assert_int_eq(mailbox_init(&m, true), 0);
    for (int s = 0; s < N_SENDERS; s++) {
        senders[s].to = &m;
        for (int i = 0; i < N_NOTES; i++)
            senders[s].notes[i] = (struct note){ .sender = s, .number = i };
        ck_assert_int_eq(sys_thread_start(&senders[s].thread, "sender", send_notes, &senders[s]), 0);
    }
    while (total < N_SENDERS * N_NOTES) {
        for (struct list *node = mailbox_wait(&m, NULL); node != NULL; node = node->next, total++) {
            struct note *n = list_entry(node, struct note, link);

            ck_assert_int_eq(n->number, next[n->sender]);
            next[n->sender]++;
        }
    }
    for (int s = 0; s < N_SENDERS; s++)
        sys_thread_join(&senders[s].thread);
    ck_assert_ptr_null(mailbox_take(&m));
    mailbox_fini(&m);
}
END_TEST

static void send_late(void *ctx)
{
    struct sender *s = ctx;

    usleep(5000);
    mailbox_push(s->to, &s->notes[0].link);
}

/* Whether the next wait is spun through, after one that was. */
static bool spins_again(uint64_t budget_ns)
{
    static struct sender sender;
    struct spin spin = { .budget_ns = budget_ns, .pays = true };
    struct mailbox m;

    ck_assert_int_eq(mailbox_init(&m, true), 0);
    sender.to = &m;
    ck_assert_int_eq(sys_thread_start(&sender.thread, "sender", send_late, &sender), 0);
    ck_assert_ptr_eq(mailbox_wait(&m, &spin), &sender.notes[0].link);
    sys_thread_join(&sender.thread);
    mailbox_fini(&m);
    return spin.pays;
}

START_TEST(spinning_ends_when_it_does_not_pay)
{
    ck_assert(spins_again(UINT64_C(1000000000000)));
    ck_assert(!spins_again(1000));
    ck_assert(spins_again(0)); /* never looked at */
}
END_TEST

struct ball {
    struct note note;
    struct mailbox *mine, *others;
    struct sys_thread thread;
    struct spin spin;
    int left;
};

static void play(void *ctx)
{
    struct ball *b = ctx;

    for (; b->left > 0; b->left--)
        mailbox_push(b->others, mailbox_wait(b->mine, &b->spin));
}

/* Each push finds the other side asleep or about to be: every interleaving of the two steps gets its turn. */
START_TEST(ping_pong_never_hangs)
{
    struct mailbox a, b;
    struct ball there = { .mine = &a, .others = &b, .left = 5000, .spin.budget_ns = 20000 };
    struct ball back = { .mine = &b, .others = &a, .left = 5000 };

    ck_assert_int_eq(mailbox_init(&a, true), 0);
    ck_assert_int_eq(mailbox_init(&b, true), 0);
    ck_assert_int_eq(sys_thread_start(&there.thread, "there", play, &there), 0);
    ck_assert_int_eq(sys_thread_start(&back.thread, "back", play, &back), 0);
    mailbox_push(&a, &there.note.link);
    sys_thread_join(&there.thread);
    sys_thread_join(&back.thread);
    ck_assert_ptr_eq(mailbox_take(&a), &there.note.link);
    mailbox_fini(&a);
    mailbox_fini(&b);
}
END_TEST

Suite *mailbox_suite(void)
{
    Suite *s = suite_create("mailbox");

    suite_add(s, takes_all_oldest_first);
    suite_add(s, only_a_sleeper_is_woken);
    suite_add(s, many_senders_keep_their_order);
    suite_add(s, spinning_ends_when_it_does_not_pay);
    suite_add(s, ping_pong_never_hangs);
    return s;
}
