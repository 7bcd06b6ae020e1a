/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "bin/gqctl/gqctl.h"
#include "bin/gqctl/say.h"

/* The document is printed as it comes, whatever brokers of other versions put into it. */

static bool is_leaf(const json_t *v)
{
    return !json_is_object(v) && !json_is_array(v);
}

static void print_leaf(const json_t *v)
{
    if (json_is_string(v))
        fwrite(json_string_value(v), 1, json_string_length(v), stdout);
    else
        json_dumpf(v, stdout, JSON_ENCODE_ANY);
}

static bool has_only_leaves(const json_t *array)
{
    for (size_t i = 0; i < json_array_size(array); i++) {
        if (!is_leaf(json_array_get(array, i)))
            return false;
    }
    return true;
}

static void print_leaves(const json_t *array)
{
    for (size_t i = 0; i < json_array_size(array); i++) {
        if (i > 0)
            fputs(", ", stdout);
        print_leaf(json_array_get(array, i));
    }
}

static void print_tree(const json_t *v, int depth);

static void print_member(const char *key, const json_t *v, int depth)
{
    printf("%*s%s:", 2 * depth, "", key);
    if (is_leaf(v) || (json_is_array(v) && has_only_leaves(v))) {
        putchar(' ');
        if (is_leaf(v))
            print_leaf(v);
        else
            print_leaves(v);
        putchar('\n');
    } else {
        putchar('\n');
        print_tree(v, depth + 1);
    }
}

/* One line for an object without inner ones: tables of partitions stay readable. */
static void print_row(const json_t *object, int depth)
{
    const char *key;
    json_t *v;

    printf("%*s-", 2 * depth, "");
    json_object_foreach((json_t *)object, key, v)
    {
        printf(" %s=", key);
        if (is_leaf(v))
            print_leaf(v);
        else
            json_dumpf(v, stdout, JSON_COMPACT);
    }
    putchar('\n');
}

static bool is_row(const json_t *object)
{
    const char *key;
    json_t *v;

    json_object_foreach((json_t *)object, key, v)
    {
        if (json_is_object(v) || (json_is_array(v) && !has_only_leaves(v)))
            return false;
    }
    return true;
}

static void print_item(const json_t *v, int depth)
{
    if (json_is_object(v) && is_row(v)) {
        print_row(v, depth);
    } else if (is_leaf(v)) {
        printf("%*s- ", 2 * depth, "");
        print_leaf(v);
        putchar('\n');
    } else {
        printf("%*s-\n", 2 * depth, "");
        print_tree(v, depth + 1);
    }
}

static void print_tree(const json_t *v, int depth)
{
    const char *key;
    json_t *member;

    if (json_is_object(v)) {
        json_object_foreach((json_t *)v, key, member) print_member(key, member, depth);
    } else {
        for (size_t i = 0; i < json_array_size(v); i++)
            print_item(json_array_get(v, i), depth);
    }
}

int run_cluster_status(struct run *run)
{
    char *text = NULL;
    struct gq_error err;
    json_error_t at;
    json_t *root;
    int r = gq_client_cluster_status(run->client, &text, &err);

    if (r < 0)
        return say_failure(NULL, r, &err);
    root = json_loads(text, 0, &at);
    free(text);
    if (root == NULL) {
        say_error("the broker's status is no JSON: line %d: %s", at.line, at.text);
        return EXIT_FAILURE;
    }
    if (run->settings->json) {
        print_json(root);
    } else {
        print_tree(root, 0);
        json_decref(root);
    }
    return EXIT_SUCCESS;
}
