/* Blocks with a supervisor: around the body a nursery, in it the governor.
 * SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "actor/supervisor_limit.h"
#include "actor/supervisor_rules.h"
#include "actor/supervisor_spec.h"
#include "base/sys.h"
#include "bough/error.h"

/* Jitter is there to tell programs apart: not drawn from the run's seed. */
static uint64_t draw_dice(const void *sv)
{
    return (uint64_t)(uintptr_t)sv ^ (uint64_t)bough_now();
}

int bough_supervisor_open_at(const struct bough_supervisor_options *given,
                             struct bough_supervisor **ret_sv, const struct bough_site *site)
{
    struct bough_supervisor_options o;
    int rc = spec_options(given, &o);
    if (rc < 0)
        return rc;
    unsigned window = (unsigned)o.intensity + 1;
    struct bough_supervisor *sv = sys_calloc(1, sizeof(*sv) + window * sizeof(struct episode));
    if (!sv)
        return bough_fail_text(-ENOMEM, "no memory for a supervisor");
    sv->options = o;
    sv->window = window;
    sv->site = site;
    sv->dice = draw_dice(sv);
    snprintf(sv->name, sizeof(sv->name), "%s", o.name);
    bough_list_init(&sv->children);
    bough_list_init(&sv->ended);
    bough_nursery_open_at(&sv->nursery, NULL, site);
    rc = bough_nursery_start_soon_at(&sv->nursery, rules_main, sv, site);
    if (rc < 0) {
        rc = bough_nursery_close(&sv->nursery, rc);
        free(sv);
        return rc;
    }
    *ret_sv = sv;
    return 0;
}

int bough_supervisor_close(struct bough_supervisor *sv, int rc)
{
    sv->left = sv->ending = true;
    bough_list_foreach (node, &sv->children)
        child_changed(child_of(node));
    supervisor_tell(sv);
    rc = bough_nursery_close(&sv->nursery, rc);
    bough_list_foreach (node, &sv->children)
        child_forget(child_of(node));
    limit_release(sv);
    free(sv);
    return rc;
}

/* --- the block --- */

struct bough_supervisor_block *
bough_supervisor_block_enter(struct bough_supervisor_block *b,
                             const struct bough_supervisor_options *options, int *rc,
                             const struct bough_site *site)
{
    b->supervisor = NULL;
    b->rc = rc;
    b->ended = false;
    int opened = bough_supervisor_open_at(options, &b->supervisor, site);
    if (opened == 0)
        return b;
    *rc = opened;
    return NULL;
}

struct bough_supervisor_block *bough_supervisor_block_exit(struct bough_supervisor_block *b)
{
    struct bough_supervisor *sv = b->supervisor;
    b->supervisor = NULL;
    *b->rc = bough_supervisor_close(sv, *b->rc);
    return NULL;
}

void bough_supervisor_block_abandon(struct bough_supervisor_block *b)
{
    if (b->supervisor)
        bough_block_defer(bough_supervisor_close(b->supervisor, bough_block_guess()));
}
