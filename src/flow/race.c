/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "bough/error.h"
#include "bough/flow.h"

struct race {
    struct bough_nursery *nursery;
    struct bough_job *winner; /* NULL: not yet */
};

struct runner {
    struct race *race;
    struct bough_job *job;
};

static int run(void *arg)
{
    struct runner *r = arg;
    int rc = r->job->fn(r->job->arg);
    r->job->result = rc;
    if (rc < 0)
        return rc;
    if (!r->race->winner) {
        r->race->winner = r->job;
        bough_scope_cancel(bough_nursery_scope(r->race->nursery), "the race is won");
    }
    return 0;
}

int bough_race(struct bough_job *jobs, size_t count, size_t *ret_winner)
{
    struct race race = {0};
    if (count == 0)
        return bough_fail_text(-EINVAL, "bough_race: no jobs, so nobody could ever win");
    for (size_t i = 0; i < count; i++)
        jobs[i].result = -ECANCELED;
    int rc = bough_checkpoint_if_cancelled();
    if (rc < 0)
        return rc;
    bough_with_nursery (n, &rc) {
        race.nursery = n;
        for (size_t i = 0; i < count && rc == 0; i++)
            rc = BOUGH_START(n, run, struct runner, .race = &race, .job = &jobs[i]);
    }
    /* A real failure, in the cleanup of a loser perhaps, is not hidden by the victory; a cancel is.
     */
    if (!race.winner || (rc < 0 && rc != -ECANCELED))
        return rc;
    if (ret_winner)
        *ret_winner = (size_t)(race.winner - jobs);
    return race.winner->result;
}
