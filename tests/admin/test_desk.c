/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who waits for which figures: one thread, and time as it is told. */
#include "admin/sample.h"
#include "admin/suites.h"

#define SEC 1000000000ull

struct customer {
    struct asker asker;
    struct page *page;
};

static struct admin_config config;
static struct http_figures http;
static struct desk desk;
static unsigned n_collects;
static struct collection *out; /* where the request is that is out */
static struct customer customers[4];

static void collect(void *ctx, struct admin_request *request)
{
    ck_assert_ptr_null(out);
    out = container_of(request, struct collection, request);
    n_collects++;
}

static void come_home(void)
{
    struct collection *c = TAKE_PTR(out);

    sample_report(&c->report);
    sample_facts(&c->facts);
    collection_return(c);
}

static void answered(struct asker *asker, struct page *page)
{
    struct customer *c = container_of(asker, struct customer, asker);

    ck_assert_ptr_null(c->page);
    c->page = page;
}

static struct customer *ask(unsigned i, enum page_id page, uint64_t now_ns)
{
    struct customer *c = &customers[i];

    c->asker.answer = answered;
    c->asker.page = page;
    list_init(&c->asker.link);
    desk_ask(&desk, &c->asker, now_ns);
    return c;
}

static void setup(void)
{
    admin_config_init(&config);
    config.collect = collect;
    config.collect_ms = 5000;
    ck_assert_int_eq(desk_init(&desk, &config, &http), 0);
}

static void teardown(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(customers); i++)
        page_unref(customers[i].page);
    ck_assert_uint_eq(desk.page_bytes, 0);
    desk_fini(&desk);
}

START_TEST(one_asks)
{
    struct customer *c = ask(0, PAGE_METRICS, 0);

    ck_assert_ptr_nonnull(out);
    ck_assert(out->report.want_partitions);
    ck_assert_uint_eq(desk_deadline(&desk), 5 * SEC);
    desk_turn(&desk, SEC);
    ck_assert_ptr_null(c->page);
    come_home();
    desk_turn(&desk, SEC);
    ck_assert_uint_eq(c->page->status, 200);
    ck_assert_str_eq(c->page->content_type, TYPE_METRICS);
    ck_assert_uint_eq(desk_deadline(&desk), UINT64_MAX);
    ck_assert_uint_eq(n_collects, 1);
}
END_TEST

/* An answer may not be older than its question. */
START_TEST(who_comes_late_gets_newer_figures)
{
    struct customer *first = ask(0, PAGE_LIVE, 0), *late = ask(1, PAGE_HEALTH, 1), *later = ask(2, PAGE_HEALTH, 2);

    ck_assert(!out->report.want_partitions);
    come_home();
    desk_turn(&desk, 3);
    ck_assert_ptr_nonnull(first->page);
    ck_assert_ptr_null(late->page);
    ck_assert_uint_eq(n_collects, 2);
    come_home();
    desk_turn(&desk, 4);
    ck_assert_ptr_nonnull(late->page);
    ck_assert_ptr_eq(late->page, later->page); /* made once for both */
    ck_assert_uint_eq(n_collects, 2);
}
END_TEST

START_TEST(figures_that_do_not_come)
{
    struct customer *a = ask(0, PAGE_HEALTH, 0), *b = ask(1, PAGE_STATUS, SEC), *c;

    desk_turn(&desk, 5 * SEC);
    ck_assert_uint_eq(a->page->status, 503);
    ck_assert_ptr_null(b->page);
    ck_assert_uint_eq(desk_deadline(&desk), 6 * SEC);
    desk_turn(&desk, 6 * SEC);
    ck_assert_uint_eq(b->page->status, 503);
    ck_assert_uint_eq(http.collects_timed_out, 2);
    ck_assert_uint_eq(n_collects, 1); /* never two at once */
    come_home();
    desk_turn(&desk, 7 * SEC);
    c = ask(2, PAGE_STATUS, 7 * SEC);
    ck_assert(out->want_warnings);
    come_home();
    desk_turn(&desk, 7 * SEC);
    ck_assert_uint_eq(c->page->status, 200);
}
END_TEST

START_TEST(bytes_on_their_way_are_bounded)
{
    struct customer *a, *b;

    config.max_reply_bytes = 100;
    a = ask(0, PAGE_METRICS, 0);
    come_home();
    desk_turn(&desk, 0);
    ck_assert_uint_eq(a->page->status, 200);
    ck_assert_uint_gt(desk.page_bytes, 100);
    b = ask(1, PAGE_STATUS, 0);
    come_home();
    desk_turn(&desk, 0);
    ck_assert_uint_eq(b->page->status, 503);
    page_unref(TAKE_PTR(b->page));
    b = ask(1, PAGE_LIVE, 0); /* whoever doesn't read large pages keeps nobody from seeing that the node lives */
    come_home();
    desk_turn(&desk, 0);
    ck_assert_uint_eq(b->page->status, 200);
    page_unref(TAKE_PTR(a->page));
    page_unref(TAKE_PTR(b->page));
    b = ask(1, PAGE_STATUS, 0);
    come_home();
    desk_turn(&desk, 0);
    ck_assert_uint_eq(b->page->status, 200);
}
END_TEST

/* The reactors have ended: what they had is freed with the desk. */
START_TEST(request_lost)
{
    ask(0, PAGE_HEALTH, 0);
    sample_report(&out->report);
    sample_facts(&out->facts);
    desk_turn(&desk, 5 * SEC);
}
END_TEST

Suite *desk_suite(void)
{
    Suite *s = suite_create("desk");

    suite_add_with(s, one_asks, setup, teardown);
    suite_add_with(s, who_comes_late_gets_newer_figures, setup, teardown);
    suite_add_with(s, figures_that_do_not_come, setup, teardown);
    suite_add_with(s, bytes_on_their_way_are_bounded, setup, teardown);
    suite_add_with(s, request_lost, setup, teardown);
    return s;
}
