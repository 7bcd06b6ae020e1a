/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The text format, docs/history.md. */
#include "history/parse.h"

#include <inttypes.h>

#include "history/internal.h"

enum word_kind { WORD_NOTHING, WORD_PLACE, WORD_POSITION, WORD_VALUE, WORD_RECORDS, WORD_TXN };

/* Words of the form NAME=NUMBER or NAME. */
enum option {
    OPTION_TXN = 1 << 0,
    OPTION_PID = 1 << 1,
    OPTION_EPOCH = 1 << 2,
    OPTION_SEQ = 1 << 3,
    OPTION_REPEATS = 1 << 4,
    OPTION_RAW = 1 << 5,
    OPTION_OFFSET = 1 << 6,
    OPTION_START = 1 << 7,
    OPTION_END = 1 << 8,
    OPTION_STABLE = 1 << 9,
    OPTION_UNKNOWN = 1 << 10,
    OPTION_NODE = 1 << 11,
};

static const struct {
    const char *name;
    uint32_t option;
    bool has_number;
    uint64_t max;
} options[] = {
    { "txn", OPTION_TXN, true, UINT64_MAX },          { "pid", OPTION_PID, true, UINT64_MAX },
    { "epoch", OPTION_EPOCH, true, UINT32_MAX },      { "seq", OPTION_SEQ, true, INT64_MAX },
    { "repeats", OPTION_REPEATS, false, 0 },          { "raw", OPTION_RAW, false, 0 },
    { "offset", OPTION_OFFSET, true, INT64_MAX - 1 }, { "start", OPTION_START, true, INT64_MAX - 1 },
    { "end", OPTION_END, true, INT64_MAX - 1 },       { "stable", OPTION_STABLE, true, INT64_MAX - 1 },
    { "unknown", OPTION_UNKNOWN, false, 0 },          { "node", OPTION_NODE, true, UINT32_MAX },
};

#define PRODUCER (OPTION_PID | OPTION_EPOCH | OPTION_SEQ)
#define OFFSETS (OPTION_START | OPTION_END | OPTION_STABLE | OPTION_UNKNOWN)

/* What follows the verb, and what follows the id when it went well: first a place where needed, then any number of
 * words of one kind, min at least and max at most, and options anywhere. */
static const struct form {
    const char *name;
    bool has_place;
    enum word_kind words;
    uint8_t min, max; /* max 0: any number */
    uint32_t options, needed;
    enum word_kind results;
    uint32_t result_options, result_needed;
} forms[] = {
    [HISTORY_SEND] = { "send", true, WORD_VALUE, 1, 0, OPTION_TXN | PRODUCER | OPTION_REPEATS, 0, WORD_NOTHING,
                       OPTION_OFFSET, 0 },
    [HISTORY_POLL] = { "poll", false, WORD_NOTHING, 0, 0, OPTION_TXN | OPTION_RAW, 0, WORD_RECORDS, 0, 0 },
    [HISTORY_ASSIGN] = { "assign", false, WORD_POSITION, 0, 0, 0, 0, WORD_NOTHING, 0, 0 },
    [HISTORY_SEEK] = { "seek", false, WORD_POSITION, 1, 0, 0, 0, WORD_NOTHING, 0, 0 },
    [HISTORY_COMMIT] = { "commit", false, WORD_POSITION, 1, 0, OPTION_TXN, 0, WORD_NOTHING, 0, 0 },
    [HISTORY_LIST] = { "list", true, WORD_NOTHING, 0, 0, 0, 0, WORD_NOTHING, OFFSETS, 0 },
    [HISTORY_DRAIN] = { "drain", true, WORD_NOTHING, 0, 0, 0, 0, WORD_NOTHING, OFFSETS, 0 },
    [HISTORY_DELETE] = { "delete", false, WORD_POSITION, 1, 0, 0, 0, WORD_NOTHING, 0, 0 },
    [HISTORY_LEADER] = { "leader", true, WORD_NOTHING, 0, 0, 0, 0, WORD_NOTHING, OPTION_NODE | OPTION_EPOCH,
                         OPTION_NODE | OPTION_EPOCH },
    [HISTORY_COMMIT_TXN] = { "commit-txn", false, WORD_TXN, 1, 1, 0, 0, WORD_NOTHING, 0, 0 },
    [HISTORY_ABORT_TXN] = { "abort-txn", false, WORD_TXN, 1, 1, 0, 0, WORD_NOTHING, 0, 0 },
};

_Static_assert(ARRAY_SIZE(forms) == HISTORY_N_VERBS, "one form for each verb");

struct scan {
    struct history_reader *reader;
    struct history_event *event;
    struct history_error *err;
    const uint8_t *start, *p, *end;
    struct slice word;
    uint32_t given; /* options */
};

static int fail_at(struct scan *s, const uint8_t *at)
{
    s->err->column = (uint32_t)(at - s->start) + 1;
    return -EINVAL;
}

#define FAIL(s, at, ...) (error_setf(&(s)->err->text, __VA_ARGS__), fail_at(s, at))

/* For messages: what of a slice fits. */
#define SHOWN(word) (int)MIN((word).size, (size_t)40), (const char *)(word).data

static bool next_word(struct scan *s)
{
    const uint8_t *from;

    while (s->p < s->end && *s->p == ' ')
        s->p++;
    from = s->p;
    while (s->p < s->end && *s->p != ' ')
        s->p++;
    s->word = slice_make(from, (size_t)(s->p - from));
    return s->word.size > 0;
}

/* Digits up to max from *p on, which moves behind them. */
static int take_number(struct scan *s, const uint8_t **p, const uint8_t *end, uint64_t max, uint64_t *ret)
{
    const uint8_t *from = *p;
    uint64_t n = 0;

    while (*p < end && **p >= '0' && **p <= '9') {
        uint64_t digit = (uint64_t)(**p - '0');

        if (n > (max - digit) / 10)
            return FAIL(s, from, "the number is larger than %" PRIu64, max);
        n = n * 10 + digit;
        (*p)++;
    }
    if (*p == from)
        return FAIL(s, from, "a number is missing here");
    *ret = n;
    return 0;
}

/* The whole word is a number. */
static int take_whole(struct scan *s, uint64_t max, uint64_t *ret)
{
    const uint8_t *p = s->word.data, *end = p + s->word.size;
    int r = take_number(s, &p, end, max, ret);

    if (r == 0 && p != end)
        return FAIL(s, p, "'%.*s' is not a number", SHOWN(s->word));
    return r;
}

static int need_number(struct scan *s, const char *what, uint64_t max, uint64_t *ret)
{
    if (!next_word(s))
        return FAIL(s, s->p, "%s is missing", what);
    return take_whole(s, max, ret);
}

/* A name up to ':' or the end of the word. */
static int take_place(struct scan *s, const uint8_t **p, const uint8_t *end, uint32_t *ret)
{
    const uint8_t *from = *p;

    while (*p < end && **p != ':') {
        if (**p == '=' || **p == ',')
            return FAIL(s, *p, "a partition's name has no '%c'", **p);
        (*p)++;
    }
    if (*p == from || *p - from > HISTORY_MAX_NAME_BYTES)
        return FAIL(s, from, "a partition's name has 1 to %d bytes", HISTORY_MAX_NAME_BYTES);
    *ret = history_place(s->reader->history, slice_make(from, (size_t)(*p - from)));
    return 0;
}

static struct history_record *add_record(struct scan *s, const uint8_t *at)
{
    struct history_reader *r = s->reader;
    struct history_record *record;

    record = table_grow_((void **)&r->records, &r->n_records, &r->records_capacity, sizeof(*r->records));
    record->column = (uint32_t)(at - s->start) + 1;
    return record;
}

static int take_position(struct scan *s, bool needs_offset)
{
    const uint8_t *p = s->word.data, *end = p + s->word.size;
    uint64_t offset = 0;
    struct history_record *record;
    bool has_offset;
    uint32_t place;
    int r;

    r = take_place(s, &p, end, &place);
    if (r < 0)
        return r;
    has_offset = p < end;
    if (!has_offset && needs_offset)
        return FAIL(s, p, "':' and an offset are missing");
    if (has_offset) {
        p++;
        r = take_number(s, &p, end, INT64_MAX - 1, &offset);
        if (r < 0)
            return r;
        if (p != end)
            return FAIL(s, p, "'%.*s' should end here", SHOWN(s->word));
    }
    record = add_record(s, s->word.data);
    record->place = place;
    record->offset = has_offset ? (int64_t)offset : -1;
    return 0;
}

/* PLACE:OFFSET=VALUE,VALUE,...: values at offsets one after the other. */
static int take_records(struct scan *s)
{
    const uint8_t *p = s->word.data, *end = p + s->word.size;
    uint64_t offset, value;
    uint32_t place;
    int r;

    r = take_place(s, &p, end, &place);
    if (r == 0 && (p == end || *p++ != ':'))
        return FAIL(s, p, "':' and an offset are missing");
    if (r == 0)
        r = take_number(s, &p, end, INT64_MAX - HISTORY_MAX_LINE_BYTES, &offset);
    if (r < 0)
        return r;
    if (p == end || *p != '=')
        return FAIL(s, p, "'=' and values are missing");
    while (p < end) {
        const uint8_t *at = ++p;
        struct history_record *record;

        r = take_number(s, &p, end, UINT64_MAX, &value);
        if (r < 0)
            return r;
        if (p < end && *p != ',')
            return FAIL(s, p, "',' and another value, or a space, should be here");
        record = add_record(s, at);
        record->place = place;
        record->offset = (int64_t)offset++;
        record->value = value;
    }
    return 0;
}

static void set_option(struct history_event *e, uint32_t option, uint64_t n)
{
    switch (option) {
    case OPTION_TXN:
        e->txn = n;
        break;
    case OPTION_PID:
        e->producer_id = n;
        e->has |= HISTORY_HAS_PRODUCER;
        break;
    case OPTION_EPOCH:
        e->epoch = (uint32_t)n;
        break;
    case OPTION_SEQ:
        e->sequence = n;
        break;
    case OPTION_REPEATS:
        e->may_repeat = true;
        break;
    case OPTION_RAW:
        e->is_raw = true;
        break;
    case OPTION_OFFSET:
        e->offset = (int64_t)n;
        e->has |= HISTORY_HAS_OFFSET;
        break;
    case OPTION_START:
        e->start = (int64_t)n;
        e->has |= HISTORY_HAS_START;
        break;
    case OPTION_END:
        e->end = (int64_t)n;
        e->has |= HISTORY_HAS_END;
        break;
    case OPTION_STABLE:
        e->stable = (int64_t)n;
        e->has |= HISTORY_HAS_STABLE;
        break;
    case OPTION_UNKNOWN:
        e->is_unknown = true;
        break;
    default:
        e->node = (uint32_t)n;
    }
}

/* 1: the word is one of these options; 0: it is something else. */
static int take_option(struct scan *s, uint32_t allowed)
{
    const uint8_t *p = s->word.data, *end = p + s->word.size;
    const uint8_t *equals = memchr(p, '=', s->word.size);
    struct slice name = slice_make(p, equals != NULL ? (size_t)(equals - p) : s->word.size);
    uint64_t n = 0;
    int r;

    for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
        if (!(options[i].option & allowed) || !slice_eq_str(name, options[i].name))
            continue;
        if (options[i].has_number != (equals != NULL))
            return FAIL(s, p, options[i].has_number ? "'%s' needs a number, %s=N" : "'%s' takes no number",
                        options[i].name, options[i].name);
        if (s->given & options[i].option)
            return FAIL(s, p, "'%s' is given twice", options[i].name);
        if (equals != NULL) {
            p = equals + 1;
            r = take_number(s, &p, end, options[i].max, &n);
            if (r < 0)
                return r;
            if (p != end)
                return FAIL(s, p, "'%.*s' is not a number", (int)MIN(end - equals - 1, 40), (const char *)equals + 1);
        }
        if (options[i].option == OPTION_TXN && n == 0)
            return FAIL(s, p - 1, "transactions are numbered from 1");
        s->given |= options[i].option;
        set_option(s->event, options[i].option, n);
        return 1;
    }
    return 0;
}

static int take_word(struct scan *s, enum word_kind kind)
{
    int r;

    switch (kind) {
    case WORD_POSITION:
        return take_position(s, s->event->verb == HISTORY_COMMIT);
    case WORD_RECORDS:
        return take_records(s);
    case WORD_VALUE: {
        uint64_t value;

        r = take_whole(s, UINT64_MAX, &value);
        if (r == 0)
            add_record(s, s->word.data)->value = value;
        return r;
    }
    case WORD_TXN:
        r = take_whole(s, UINT64_MAX, &s->event->txn);
        if (r == 0 && s->event->txn == 0)
            return FAIL(s, s->word.data, "transactions are numbered from 1");
        return r;
    default:
        return FAIL(s, s->word.data, "'%.*s' doesn't belong here", SHOWN(s->word));
    }
}

/* The rest of the line. */
static int take_words(struct scan *s, enum word_kind kind, uint32_t allowed, size_t min, size_t max)
{
    size_t n = 0;

    while (next_word(s)) {
        int r = take_option(s, allowed);

        if (r == 0) {
            if (max > 0 && n == max)
                kind = WORD_NOTHING;
            r = take_word(s, kind);
            n++;
        }
        if (r < 0)
            return r;
    }
    if (n < min)
        return FAIL(s, s->p, "something is missing at the end");
    return 0;
}

static int need_options(struct scan *s, uint32_t needed)
{
    for (size_t i = 0; i < ARRAY_SIZE(options); i++)
        if (options[i].option & needed & ~s->given)
            return FAIL(s, s->p, "%s=N is missing", options[i].name);
    return 0;
}

static int take_verb(struct scan *s)
{
    if (!next_word(s))
        return FAIL(s, s->p, "the operation is missing");
    for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
        if (slice_eq_str(s->word, forms[i].name)) {
            s->event->verb = (enum history_verb)i;
            return 0;
        }
    }
    return FAIL(s, s->word.data, "there is no operation '%.*s'", SHOWN(s->word));
}

static int take_invoke(struct scan *s)
{
    const struct form *form;
    uint64_t client;
    int r;

    r = need_number(s, "the client's number", UINT32_MAX, &client);
    if (r == 0)
        r = take_verb(s);
    if (r < 0)
        return r;
    s->event->client = (uint32_t)client;
    form = &forms[s->event->verb];
    if (form->has_place) {
        const uint8_t *p;

        if (!next_word(s))
            return FAIL(s, s->p, "the partition is missing");
        p = s->word.data;
        r = take_place(s, &p, p + s->word.size, &s->event->place);
        if (r == 0 && p != s->word.data + s->word.size)
            return FAIL(s, p, "a partition without an offset should be here");
        if (r < 0)
            return r;
    }
    r = take_words(s, form->words, form->options, form->min, form->max);
    if (r == 0 && (s->given & PRODUCER))
        r = need_options(s, PRODUCER);
    return r;
}

static int take_ok(struct scan *s, const uint8_t *id_at)
{
    const struct form *form;
    int r;

    if (!history_open_verb(s->reader->history, s->event->id, &s->event->verb))
        return FAIL(s, id_at, "no operation %" PRIu64 " is open", s->event->id);
    form = &forms[s->event->verb];
    r = take_words(s, form->results, form->result_options, 0, 0);
    if (r == 0)
        r = need_options(s, form->result_needed);
    if (r == 0 && s->event->is_unknown && s->event->has != 0)
        r = FAIL(s, s->p, "an unknown partition has no offsets");
    return r;
}

static int take_kind(struct scan *s)
{
    static const char *const kinds[] = {
        [HISTORY_INVOKE] = "invoke", [HISTORY_OK] = "ok", [HISTORY_FAIL] = "fail", [HISTORY_INFO] = "info"
    };

    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        if (slice_eq_str(s->word, kinds[i])) {
            s->event->kind = (enum history_kind)i;
            return 0;
        }
    }
    return FAIL(s, s->word.data, "'%.*s' is none of invoke, ok, fail, info", SHOWN(s->word));
}

/* Reports print words of the line, so it holds nothing that a terminal obeys. */
static int check_bytes(struct scan *s)
{
    for (const uint8_t *p = s->start; p < s->end; p++)
        if (*p < ' ' || *p == 0x7f)
            return FAIL(s, p, "a control character (0x%02x): words are set apart by spaces", *p);
    return 0;
}

int history_parse_line(struct history_reader *r, struct slice line, struct history_event *ret_event,
                       struct history_error *err)
{
    struct history_event e = { 0 };
    struct scan s = { .reader = r, .event = &e, .err = err, .start = line.data, .p = line.data };
    const uint8_t *id_at;
    int result;

    s.end = s.start + line.size;
    r->n_records = 0;
    if (!next_word(&s) || s.word.data[0] == '#')
        return 0;
    result = check_bytes(&s);
    if (result == 0)
        result = take_kind(&s);
    if (result == 0)
        result = need_number(&s, "the operation's number", UINT64_MAX, &e.id);
    if (result < 0)
        return result;
    id_at = s.word.data;
    if (e.kind == HISTORY_INVOKE)
        result = take_invoke(&s);
    else if (e.kind == HISTORY_OK)
        result = take_ok(&s, id_at);
    if (result < 0)
        return result;
    err->column = (uint32_t)(id_at - s.start) + 1;
    e.records = r->records;
    e.n_records = r->n_records;
    *ret_event = e;
    return 1;
}
