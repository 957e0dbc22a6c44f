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

static int binding_add(struct binding **chain, const struct bough_local *key, void *value)
{
    /* Nobody else can see it: change it in place, so that setting a value often does not grow the chain. */
    struct binding *newest = *chain;
    if (newest && newest->key == key && newest->refs == 1) {
        newest->value = value;
        return 0;
    }
    struct binding *binding = sys_malloc(sizeof(*binding));
    if (!binding)
        return bough_fail_text(-ENOMEM, "no memory for a task local or run local");
    *binding = (struct binding){.refs = 1, .key = key, .value = value, .older = newest};
    *chain = binding;
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
