/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The YAML file, by libyaml's events: a mapping of keys and sections, values that are scalars or lists of them.
 * What YAML has beyond that (anchors, aliases, tags, several documents) is refused. */

#include <stdarg.h>
#include <stdio.h>
#include <strings.h>
#include <yaml.h>

#include "config/keys.h"

#define FILE_SIZE_MAX (1024 * 1024)
#define DEPTH_MAX 16
#define PATH_SIZE 160

struct reader {
    yaml_parser_t parser;
    yaml_event_t event; /* current; all zero when there is none */
    const char *name;
    const char *data; /* the whole text */
    struct config *config;
    struct config_report *report;
    bool stop;                        /* the text can't be followed any further; told */
    unsigned key_line[CONFIG_N_KEYS]; /* where a key was seen, 0 not yet */
    unsigned section_line[CONFIG_N_KEYS];
};

static unsigned line_of(const struct reader *r)
{
    return (unsigned)r->event.start_mark.line + 1;
}

_printf_(3, 4) static void complain(struct reader *r, unsigned line, const char *fmt, ...)
{
    char text[ERROR_TEXT_SIZE];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    config_report_error(r->report, "%s:%u: %s", r->name, line, text);
}

/* --- events --- */

static unsigned line_at(const char *data, size_t offset)
{
    unsigned line = 1;

    for (size_t i = 0; i < offset; i++)
        line += data[i] == '\n';
    return line;
}

static void syntax_error(struct reader *r)
{
    const yaml_parser_t *p = &r->parser;
    unsigned line = (unsigned)p->problem_mark.line + 1;

    if (p->error == YAML_READER_ERROR)
        line = line_at(r->data, p->problem_offset);
    complain(r, line, "this is not YAML: %s%s%s%s", p->problem != NULL ? p->problem : "unreadable",
             p->context != NULL ? " (" : "", p->context != NULL ? p->context : "", p->context != NULL ? ")" : "");
    r->stop = true;
}

/* Moves to the next event; false when there is none to work on. */
static bool advance(struct reader *r)
{
    yaml_event_delete(&r->event);
    if (r->stop)
        return false;
    if (!yaml_parser_parse(&r->parser, &r->event)) {
        syntax_error(r);
        return false;
    }
    return true;
}

static bool is_opening(const yaml_event_t *e)
{
    return e->type == YAML_MAPPING_START_EVENT || e->type == YAML_SEQUENCE_START_EVENT;
}

static bool is_closing(const yaml_event_t *e)
{
    return e->type == YAML_MAPPING_END_EVENT || e->type == YAML_SEQUENCE_END_EVENT;
}

/* Steps over the rest of the current node, so that its last event is the current one. */
static void skip_node(struct reader *r)
{
    int depth = is_opening(&r->event);

    while (depth > 0 && advance(r)) {
        depth += is_opening(&r->event) - is_closing(&r->event);
        if (depth > DEPTH_MAX) {
            complain(r, line_of(r), "nested deeper than %d levels", DEPTH_MAX);
            r->stop = true;
        }
    }
}

/* Anchors, aliases and tags, with a complaint. */
static bool has_extras(struct reader *r, const char *path)
{
    const yaml_event_t *e = &r->event;
    const char *what = NULL;

    if (e->type == YAML_ALIAS_EVENT)
        what = "aliases";
    else if (e->type == YAML_SCALAR_EVENT)
        what = e->data.scalar.anchor != NULL ? "anchors" : e->data.scalar.tag != NULL ? "tags" : NULL;
    else if (e->type == YAML_MAPPING_START_EVENT)
        what = e->data.mapping_start.anchor != NULL ? "anchors" : e->data.mapping_start.tag != NULL ? "tags" : NULL;
    else if (e->type == YAML_SEQUENCE_START_EVENT)
        what = e->data.sequence_start.anchor != NULL ? "anchors" : e->data.sequence_start.tag != NULL ? "tags" : NULL;
    if (what != NULL)
        complain(r, line_of(r), "%s%s%s are not allowed", path, path[0] != '\0' ? ": " : "", what);
    return what != NULL;
}

static bool is_null(const yaml_event_t *e)
{
    const char *s = (const char *)e->data.scalar.value;

    return e->type == YAML_SCALAR_EVENT && e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
           (s[0] == '\0' || strcmp(s, "~") == 0 || strcasecmp(s, "null") == 0);
}

/* The current event as a text value of path, or NULL with a complaint. Holds until the next event. */
static const char *scalar_text(struct reader *r, const char *path)
{
    const yaml_event_t *e = &r->event;
    const char *text;

    if (has_extras(r, path)) {
        skip_node(r);
        return NULL;
    }
    if (e->type != YAML_SCALAR_EVENT) {
        complain(r, line_of(r), "%s: must be a single value, not a %s", path,
                 e->type == YAML_MAPPING_START_EVENT ? "mapping" : "list");
        skip_node(r);
        return NULL;
    }
    text = (const char *)e->data.scalar.value;
    if (is_null(e)) {
        complain(r, line_of(r), "%s: has no value", path);
        return NULL;
    }
    if (strlen(text) != e->data.scalar.length) {
        complain(r, line_of(r), "%s: contains a NUL byte", path);
        return NULL;
    }
    return text;
}

/* --- values --- */

static void set_value(struct reader *r, const struct config_key *k, const char *text)
{
    struct error_text err;

    if (config_key_set(r->config, k, text, &err) < 0)
        complain(r, line_of(r), "%s: %s", k->path, err.text);
}

struct peer_fields {
    char *node_id, *raft_addr, *role;
};

static void peer_field(struct reader *r, struct peer_fields *f, const char *name)
{
    struct {
        const char *name;
        char **field;
    } known[] = { { "node_id", &f->node_id }, { "raft_addr", &f->raft_addr }, { "role", &f->role } };
    char path[PATH_SIZE], quoted[VALUE_QUOTED_SIZE];
    const char *text;

    for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
        if (strcmp(name, known[i].name) != 0)
            continue;
        if (!advance(r))
            return;
        snprintf(path, sizeof(path), "discovery.peers.%s", name);
        text = scalar_text(r, path);
        if (*known[i].field != NULL)
            complain(r, line_of(r), "%s: given twice", path);
        else if (text != NULL)
            *known[i].field = xstrdup(text);
        return;
    }
    value_quote(name, quoted);
    complain(r, line_of(r), "discovery.peers: a peer has node_id, raft_addr and role, not %s", quoted);
    if (advance(r))
        skip_node(r);
}

static void add_peer(struct reader *r, const struct config_key *k, unsigned line, const struct peer_fields *f)
{
    bool is_controller = f->role != NULL && strcmp(f->role, "controller") == 0;
    char quoted[VALUE_QUOTED_SIZE];
    struct error_text err;
    char *text;

    if (f->role != NULL && !is_controller && strcmp(f->role, "broker") != 0) {
        value_quote(f->role, quoted);
        complain(r, line, "discovery.peers.role: %s is not one of broker or controller", quoted);
    } else if (f->node_id == NULL || f->raft_addr == NULL) {
        complain(r, line, "discovery.peers: a peer needs node_id and raft_addr");
    } else {
        text = xasprintf("%s=%s%s", f->node_id, is_controller ? "controller:" : "", f->raft_addr);
        if (config_key_set(r->config, k, text, &err) < 0)
            complain(r, line, "%s: %s", k->path, err.text);
        free(text);
    }
}

static void read_peer(struct reader *r, const struct config_key *k)
{
    struct peer_fields f = { 0 };
    unsigned line = line_of(r);
    const char *text;
    char *name;

    while (advance(r) && r->event.type != YAML_MAPPING_END_EVENT) {
        text = scalar_text(r, k->path);
        if (text == NULL) {
            if (advance(r))
                skip_node(r);
            continue;
        }
        name = xstrdup(text);
        peer_field(r, &f, name);
        free(name);
    }
    if (!r->stop)
        add_peer(r, k, line, &f);
    free(f.node_id);
    free(f.raft_addr);
    free(f.role);
}

static void read_list(struct reader *r, const struct config_key *k)
{
    const char *text;

    config_key_clear(r->config, k);
    if (has_extras(r, k->path)) {
        skip_node(r);
        return;
    }
    if (r->event.type != YAML_SEQUENCE_START_EVENT) {
        complain(r, line_of(r), "%s: must be a list", k->path);
        skip_node(r);
        return;
    }
    while (advance(r) && r->event.type != YAML_SEQUENCE_END_EVENT) {
        if (k->shape == CONFIG_PEERS && r->event.type == YAML_MAPPING_START_EVENT && !has_extras(r, k->path)) {
            read_peer(r, k);
            continue;
        }
        text = scalar_text(r, k->path);
        if (text != NULL)
            set_value(r, k, text);
    }
}

static void read_key(struct reader *r, const struct config_key *k, unsigned line)
{
    struct config_origin *origin = &r->config->origin[config_key_id(k)];
    unsigned *first = &r->key_line[config_key_id(k)];
    const char *text;

    if (*first != 0) {
        complain(r, line, "%s: given twice, first in line %u", k->path, *first);
        skip_node(r);
        return;
    }
    *first = line;
    *origin = (struct config_origin){ .source = CONFIG_FROM_FILE, .line = line };
    if (k->shape != CONFIG_SCALAR) {
        read_list(r, k);
        return;
    }
    text = scalar_text(r, k->path);
    if (text != NULL)
        set_value(r, k, text);
}

/* --- mappings --- */

static void unknown_key(struct reader *r, unsigned line, const char *path)
{
    /* Not worth the search when nobody will read it. */
    const char *nearest = r->report->n_errors < CONFIG_ERRORS_MAX ? config_key_suggest(path) : NULL;
    char quoted[VALUE_QUOTED_SIZE];

    value_quote(path, quoted);
    if (strlen(quoted) != strlen(path) + 2) /* too long or with control characters */
        path = quoted;
    if (nearest != NULL)
        complain(r, line, "%s: unknown key (did you mean %s?)", path, nearest);
    else
        complain(r, line, "%s: unknown key (goqueue.yaml(5) lists them all)", path);
    skip_node(r);
}

static void read_mapping(struct reader *r, const char *section);

static void read_section(struct reader *r, const char *name, unsigned line)
{
    for (size_t i = 0; config_sections[i].name != NULL; i++) {
        if (strcmp(config_sections[i].name, name) != 0)
            continue;
        if (r->section_line[i] != 0)
            complain(r, line, "%s: given twice, first in line %u", name, r->section_line[i]);
        else
            r->section_line[i] = line;
    }
    if (has_extras(r, name)) {
        skip_node(r);
    } else if (r->event.type == YAML_MAPPING_START_EVENT) {
        read_mapping(r, name);
    } else if (!is_null(&r->event)) { /* a section whose lines are all commented out is fine */
        complain(r, line_of(r), "%s: is a section, its keys go below it", name);
        skip_node(r);
    }
}

/* One key with its value; the key is the current event. */
static void read_entry(struct reader *r, const char *section)
{
    unsigned line = line_of(r);
    const struct config_key *k;
    char path[PATH_SIZE];
    const char *name;

    name = scalar_text(r, section[0] != '\0' ? section : "key");
    snprintf(path, sizeof(path), "%s%s%s", section, section[0] != '\0' ? "." : "", name != NULL ? name : "");
    if (!advance(r))
        return;
    if (name == NULL) {
        skip_node(r);
        return;
    }
    if (section[0] == '\0' && config_is_section(path)) {
        read_section(r, path, line);
        return;
    }
    k = config_key_find(path);
    /* "raft.raft_addr: x" at the top is not the spelling. */
    if (k != NULL && (section[0] != '\0' || strchr(path, '.') == NULL))
        read_key(r, k, line);
    else
        unknown_key(r, line, path);
}

static void read_mapping(struct reader *r, const char *section)
{
    while (advance(r) && r->event.type != YAML_MAPPING_END_EVENT)
        read_entry(r, section);
}

/* --- the file --- */

static void read_document(struct reader *r)
{
    if (r->event.data.document_start.tag_directives.start != r->event.data.document_start.tag_directives.end) {
        complain(r, line_of(r), "tags are not allowed");
        return;
    }
    if (!advance(r) || has_extras(r, ""))
        return;
    if (r->event.type == YAML_MAPPING_START_EVENT) {
        read_mapping(r, "");
    } else if (!is_null(&r->event)) {
        complain(r, line_of(r), "the file must be a mapping of keys (like bind_port: 9092)");
        return;
    }
    if (!advance(r)) /* the document's end */
        return;
    if (advance(r) && r->event.type != YAML_STREAM_END_EVENT)
        complain(r, line_of(r), "there is more than one document in the file");
}

static void read_stream(struct reader *r)
{
    if (!advance(r)) /* the stream's start */
        return;
    if (advance(r) && r->event.type == YAML_DOCUMENT_START_EVENT)
        read_document(r);
}

static bool text_is_clean(struct reader *r, size_t size)
{
    const char *data = r->data;
    const char *nul = size > 0 ? memchr(data, '\0', size) : NULL;

    if (size > FILE_SIZE_MAX) {
        complain(r, 1, "the file is larger than %d bytes", FILE_SIZE_MAX);
        return false;
    }
    if (nul == NULL)
        return true;
    complain(r, line_at(data, (size_t)(nul - data)), "there is a NUL byte in the file");
    return false;
}

int config_read(struct config *c, const char *name, const void *data, size_t size, struct config_report *report)
{
    struct reader r = { .name = name, .data = data, .config = c, .report = report };
    size_t errors = report->n_errors + report->n_more_errors;

    free(c->file);
    c->file = xstrdup(name);
    if (text_is_clean(&r, size)) {
        gq_assert(yaml_parser_initialize(&r.parser) == 1);
        yaml_parser_set_input_string(&r.parser, data, size);
        yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
        read_stream(&r);
        yaml_event_delete(&r.event);
        yaml_parser_delete(&r.parser);
    }
    return report->n_errors + report->n_more_errors == errors ? 0 : CONFIG_E_INVALID;
}
