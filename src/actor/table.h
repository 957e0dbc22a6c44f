/* A hash table of things that have a number, which are linked into it and never move.
 *
 * It starts with a few buckets of its own and grows when memory can be had; if not, it gets slower,
 * so putting something in cannot fail.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "bough/list.h"

enum { TABLE_FIRST = 16 };

struct table_node {
    struct bough_list link;
    uint64_t key;
};

struct table {
    struct bough_list *buckets;
    size_t mask, count;
    struct bough_list first[TABLE_FIRST];
};

void table_init(struct table *t);
void table_release(struct table *t); /* it is empty */

void table_add(struct table *t, struct table_node *node, uint64_t key);
void table_remove(struct table *t, struct table_node *node);
struct table_node *table_find(const struct table *t, uint64_t key);

/* Any of them; NULL if it is empty. */
struct table_node *table_any(const struct table *t);
