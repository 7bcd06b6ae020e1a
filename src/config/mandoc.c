/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Build-time program: writes a manual page from its template, with the tables of config/ in place of the lines
 * @KEYS@, @NO_EFFECT@, @FLAGS@, @TOPIC_CONFIGS@, @BROKER_CONFIGS@ and @EXIT_STATUS@. mdoc(7). */

#include <stdio.h>

#include "config/cmdline.h"
#include "config/describe.h"
#include "config/keys.h"

#define LINE_WIDTH 78

static bool ends_sentence(const char *word, size_t size, const char *rest)
{
    return size > 0 && word[size - 1] == '.' && *rest != '\0';
}

/* Running text: lines of at most LINE_WIDTH, each sentence on its own, nothing that roff would take for a request. */
static void print_text(const char *text)
{
    int column = 0;

    while (*text != '\0') {
        size_t size = strcspn(text, " ");
        const char *word = text;

        text += size + (text[size] == ' ');
        if (column > 0 && column + 1 + (int)size > LINE_WIDTH) {
            putchar('\n');
            column = 0;
        }
        if (column > 0)
            column += printf(" ");
        if (column == 0 && (word[0] == '.' || word[0] == '\''))
            column += printf("\\&");
        for (size_t i = 0; i < size; i++)
            column += word[i] == '\\' ? printf("\\e") : word[i] == '-' ? printf("\\-") : printf("%c", word[i]);
        if (ends_sentence(word, size, text)) {
            putchar('\n');
            column = 0;
        }
    }
    if (column > 0)
        putchar('\n');
}

static void print_sentence(const char *text)
{
    char *sentence = xasprintf("%s.", text);

    print_text(sentence);
    free(sentence);
}

/* --- keys --- */

static const char *kind(const struct config_key *k)
{
    static const char *const kinds[] = {
        [VALUE_BOOL] = "boolean", [VALUE_INT] = "number",    [VALUE_DURATION] = "duration",
        [VALUE_SIZE] = "size",    [VALUE_WORD] = "word",     [VALUE_STRING] = "text",
        [VALUE_NAME] = "name",    [VALUE_HOST] = "address",  [VALUE_ADDRESS] = "address:port",
        [VALUE_PATH] = "path",    [VALUE_ENDPOINT] = "list",
    };

    return k->shape != CONFIG_SCALAR ? "list" : kinds[k->spec.type];
}

static void print_allowed(const struct config_key *k)
{
    char allowed[256], *text;

    value_format_allowed(&k->spec, allowed, sizeof(allowed));
    if (k->shape != CONFIG_SCALAR || k->spec.type == VALUE_BOOL || allowed[0] == '\0')
        return;
    text = xasprintf("Allowed: %s", allowed);
    print_sentence(text);
    free(text);
}

static void print_bare_unit(const struct config_key *k)
{
    char *text;

    if (k->spec.bare_unit == 0)
        return;
    text = xasprintf("A number without a unit counts %s", value_bare_unit_name(&k->spec));
    print_sentence(text);
    free(text);
}

static void print_key(const struct config_key *k)
{
    char shown[128], *text;

    printf(".It Cm %s : Ar %s\n", k->path, kind(k));
    print_text(k->help);
    config_key_default(k, shown, sizeof(shown));
    text = xasprintf("Default: %s", shown);
    print_sentence(text);
    free(text);
    print_allowed(k);
    print_bare_unit(k);
    if (k->flags & CONFIG_LIVE)
        print_text("Applied by a reload.");
    print_text(config_key_due_note(k));
}

static bool is_in_section(const struct config_key *k, const char *section)
{
    const char *dot = strchr(k->path, '.');

    if (dot == NULL)
        return section == NULL;
    return section != NULL && strlen(section) == (size_t)(dot - k->path) &&
           memcmp(section, k->path, strlen(section)) == 0;
}

static void print_section_keys(const char *section)
{
    printf(".Bl -tag -width Ds\n");
    for (size_t i = 0; i < CONFIG_N_KEYS; i++) {
        if (is_in_section(&config_keys[i], section))
            print_key(&config_keys[i]);
    }
    printf(".El\n");
}

static void print_keys(void)
{
    printf(".Ss Top of the file\n");
    print_section_keys(NULL);
    for (const struct config_section *s = config_sections; s->name != NULL; s++) {
        printf(".Ss Section %s\n", s->name);
        print_text(s->help);
        print_section_keys(s->name);
    }
}

static void print_no_effect(void)
{
    printf(".Bl -item -compact -offset indent\n");
    for (size_t i = 0; i < CONFIG_N_KEYS; i++) {
        const struct config_key *k = &config_keys[i];

        if (config_key_is_due_later(k) && !(k->flags & CONFIG_REFUSED))
            printf(".It\n.Cm %s\n", k->path);
    }
    printf(".El\n");
}

/* --- flags --- */

static void print_flags(void)
{
    struct cmdline_table table;

    cmdline_table_init(&table);
    printf(".Bl -tag -width Ds\n");
    for (size_t i = 0; i < CMDLINE_N_FLAGS; i++) {
        const struct flag_spec *spec = &table.specs[i];

        printf(".It Fl \\-%s", spec->name);
        if (spec->value_name != NULL)
            printf(flag_is_switch(spec) ? " Ns Op = Ns Ar %s" : " Ns = Ns Ar %s", spec->value_name);
        if (spec->alias != NULL)
            printf(" , Fl %s", spec->alias);
        putchar('\n');
        print_text(spec->help);
        if (spec->def != NULL) {
            char *text = xasprintf("Default: %s", spec->def);

            print_sentence(text);
            free(text);
        }
    }
    printf(".El\n");
}

/* --- Kafka's names --- */

static void print_config(const struct config_entry *e)
{
    char *text = xasprintf("Default: %s", e->synonyms[e->n_synonyms - 1].value);

    printf(".It Cm %s\n", e->name);
    print_text(e->documentation);
    print_sentence(text);
    free(text);
}

static void print_topic_configs(void)
{
    struct topic_config topic;
    struct config_entry e;
    struct config c;

    config_init(&c);
    topic_config_init(&topic, &c);
    printf(".Bl -tag -width Ds\n");
    for (int id = 0; id < TOPIC_N_CONFIGS; id++) {
        topic_config_describe(&topic, &c, (enum topic_config_id)id, &e);
        print_config(&e);
    }
    printf(".El\n");
    config_fini(&c);
}

static void print_broker_configs(void)
{
    struct config_entry e;
    struct config c;

    config_init(&c);
    printf(".Bl -column -compact \"default.replication.factor\" \"connection_idle_timeout\"\n");
    for (size_t i = 0; i < broker_config_count(); i++) {
        broker_config_describe(&c, i, &e);
        printf(".It Cm %s Ta Cm %s\n", e.name, broker_config_key(i));
    }
    printf(".El\n");
    config_fini(&c);
}

static void print_exit_status(void)
{
    printf(
        ".Bl -tag -width Ds\n.It 0\nAll went well.\n.It 1\nAnother failure, which the last line of the log tells.\n");
#define X(name, number, meaning) \
    printf(".It %d\n", number); \
    print_sentence(meaning);
    EXIT_CODES(X)
#undef X
    printf(".El\n");
}

/* --- the page --- */

static const struct {
    const char *line;
    void (*print)(void);
} parts[] = {
    { "@KEYS@\n", print_keys },
    { "@NO_EFFECT@\n", print_no_effect },
    { "@FLAGS@\n", print_flags },
    { "@TOPIC_CONFIGS@\n", print_topic_configs },
    { "@BROKER_CONFIGS@\n", print_broker_configs },
    { "@EXIT_STATUS@\n", print_exit_status },
};

static void print_line(const char *line)
{
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
        if (strcmp(line, parts[i].line) == 0) {
            parts[i].print();
            return;
        }
    }
    fputs(line, stdout);
}

int main(int argc, char **argv)
{
    char line[1024];
    FILE *f;

    if (argc != 2) {
        fprintf(stderr, "usage: %s TEMPLATE >PAGE\n", argv[0]);
        return EX_USAGE;
    }
    f = fopen(argv[1], "r");
    if (f == NULL) {
        perror(argv[1]);
        return EX_NOINPUT;
    }
    while (fgets(line, sizeof(line), f) != NULL)
        print_line(line);
    fclose(f);
    return fflush(stdout) == 0 && !ferror(stdout) ? EX_OK : EX_IOERR;
}
