/* SPDX-License-Identifier: MIT */
#include "core/local.h"

#include "base/sys.h"

struct binding {
    unsigned refs; /* chains and tasks that hold it; one thread, so no atomics */
    const struct bough_local *key;
    void *value;
    struct binding *older;
};

struct binding *local_hold(struct binding *binding)
{
    if (binding)
        binding->refs++;
    return binding;
}

void local_release(struct binding *binding)
{
    while (binding && --binding->refs == 0) {
        struct binding *older = binding->older;
        free(binding);
        binding = older;
    }
}

static void *binding_get(const struct binding *binding, const struct bough_local *key)
{
    while (binding && binding->key != key)
        binding = binding->older;
    return binding ? binding->value : key->fallback;
}

static struct binding *binding_new(const struct bough_local *key, void *value)
{
    struct binding *binding = sys_malloc(sizeof(*binding));
    if (binding)
        *binding = (struct binding){.refs = 1, .key = key, .value = value};
    return binding;
}

/* Put copies of [from, to) at *end, then 'rest' (held once more). False: no memory. */
static bool chain_copy(struct binding **end, const struct binding *from, const struct binding *to,
                       struct binding *rest)
{
    for (; from != to; from = from->older, end = &(*end)->older) {
        *end = binding_new(from->key, from->value);
        if (!*end)
            return false;
    }
    *end = local_hold(rest);
    return true;
}

static int no_memory(void)
{
    return bough_fail_text(-ENOMEM, "no memory for a task local or run local");
}

/* A chain has each key once, so it is as long as there are keys, however often they are set. */
static int binding_add(struct binding **chain, const struct bough_local *key, void *value)
{
    bool ours = true; /* nobody else can see it so far: it may be changed in place */
    struct binding *same = *chain;
    for (; same; same = same->older) {
        ours &= same->refs == 1;
        if (same->key == key)
            break;
    }
    if (same && ours) {
        same->value = value;
        return 0;
    }
    struct binding *newest = binding_new(key, value);
    if (!newest)
        return no_memory();
    if (!chain_copy(&newest->older, same ? *chain : NULL, same, same ? same->older : *chain)) {
        local_release(newest);
        return no_memory();
    }
    local_release(*chain);
    *chain = newest;
    return 0;
}

void *bough_local_get(const struct bough_local *key)
{
    return binding_get(current_task()->locals, key);
}

int bough_local_set(const struct bough_local *key, void *value)
{
    return binding_add(&current_task()->locals, key, value);
}

void *bough_run_local_get(const struct bough_local *key)
{
    return binding_get(current_task()->run->locals, key);
}

int bough_run_local_set(const struct bough_local *key, void *value)
{
    return binding_add(&current_task()->run->locals, key, value);
}
