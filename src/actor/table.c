/* SPDX-License-Identifier: MIT */
#include "actor/table.h"

#include "base/sys.h"

static struct bough_list *bucket_of(const struct table *t, uint64_t key)
{
    return &t->buckets[(key * UINT64_C(0x9e3779b97f4a7c15) >> 32) & t->mask];
}

static void buckets_init(struct bough_list *buckets, size_t count)
{
    for (size_t i = 0; i < count; i++)
        bough_list_init(&buckets[i]);
}

void table_init(struct table *t)
{
    buckets_init(t->first, TABLE_FIRST);
    t->buckets = t->first;
    t->mask = TABLE_FIRST - 1;
    t->count = 0;
}

void table_release(struct table *t)
{
    if (t->buckets != t->first)
        free(t->buckets);
    t->buckets = t->first;
}

static void grow(struct table *t)
{
    size_t old = t->mask + 1, wanted = old * 4;
    struct bough_list *from = t->buckets, *to = sys_malloc(wanted * sizeof(*to));
    if (!to)
        return;
    buckets_init(to, wanted);
    t->buckets = to;
    t->mask = wanted - 1;
    for (size_t i = 0; i < old; i++)
        while (!bough_list_is_empty(&from[i])) {
            struct bough_list *link = bough_list_pop(&from[i]);
            struct table_node *node = bough_container_of(link, struct table_node, link);
            bough_list_push(bucket_of(t, node->key), link);
        }
    if (from != t->first)
        free(from);
}

void table_add(struct table *t, struct table_node *node, uint64_t key)
{
    if (t->count++ > t->mask)
        grow(t);
    node->key = key;
    bough_list_push(bucket_of(t, key), &node->link);
}

void table_remove(struct table *t, struct table_node *node)
{
    bough_list_unlink(&node->link);
    t->count--;
}

struct table_node *table_find(const struct table *t, uint64_t key)
{
    struct bough_list *bucket = bucket_of(t, key);
    for (struct bough_list *link = bucket->next; link != bucket; link = link->next) {
        struct table_node *node = bough_container_of(link, struct table_node, link);
        if (node->key == key)
            return node;
    }
    return NULL;
}

struct table_node *table_any(const struct table *t)
{
    for (size_t i = 0; t->count && i <= t->mask; i++)
        if (!bough_list_is_empty(&t->buckets[i]))
            return bough_container_of(t->buckets[i].next, struct table_node, link);
    return NULL;
}
