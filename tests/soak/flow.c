/* Tasks among themselves: channels, generators, exit pools, locks, failures.
 * SPDX-License-Identifier: MIT */
#include "soak.h"

#include <bough/select.h>

/* --- channels --- */

struct transfer {
    struct bough_sender *tx;
    struct bough_receiver *rx;
    int count, sum;
};

static int send_some(void *arg)
{
    struct transfer *t = arg;
    int rc = 0;
    for (int i = 1; rc == 0 && i <= t->count; i++)
        rc = bough_send(t->tx, &i);
    bough_sender_close(t->tx);
    return rc;
}

static int receive_all(void *arg)
{
    struct transfer *t = arg;
    int item, rc;
    while ((rc = bough_receive(t->rx, &item)) == 1)
        t->sum += item;
    bough_receiver_close(t->rx);
    return rc;
}

enum { ENDS = 3 };

static int transfer(struct worker *w, struct bough_sender *tx, struct bough_receiver *rx)
{
    struct transfer out[ENDS], in[ENDS];
    int rc = 0, sent = 0, received = 0;
    bough_with_nursery (n, &rc) {
        for (int i = 0; i < ENDS && rc == 0; i++) {
            out[i] = (struct transfer){.count = (int)draw(w, 30)};
            in[i] = (struct transfer){.count = 0};
            sent += out[i].count * (out[i].count + 1) / 2;
            CHECK(bough_sender_clone(tx, &out[i].tx) == 0);
            rc = bough_nursery_start_soon(n, send_some, &out[i]);
            CHECK(bough_receiver_clone(rx, &in[i].rx) == 0);
            if (rc == 0)
                rc = bough_nursery_start_soon(n, receive_all, &in[i]);
        }
        bough_sender_close(tx);
        bough_receiver_close(rx);
    }
    for (int i = 0; i < ENDS && rc == 0; i++)
        received += in[i].sum;
    if (rc == 0)
        CHECK(received == sent);
    return rc;
}

int use_channels(struct worker *w)
{
    static const size_t capacities[] = {0, 1, 7, BOUGH_UNBOUNDED};
    struct bough_sender *tx;
    struct bough_receiver *rx;
    int rc = bough_channel_open(sizeof(int), capacities[draw(w, 4)], &tx, &rx);
    return rc == 0 ? transfer(w, tx, rx) : rc;
}

/* --- generators and iterators --- */

static int count_up(struct bough_generator *self, void *arg)
{
    int rc = 0;
    for (int i = 0; rc == 0 && i < *(int *)arg; i++)
        rc = bough_emit(self, &i);
    return rc;
}

static int count_on(struct bough_iterator *self, void *arg)
{
    char *memory = malloc(100); /* to be cleaned up, wherever it is left */
    int rc = 0;
    CHECK(memory);
    for (int i = 0; rc == 0 && i < *(int *)arg; i++)
        rc = bough_iterator_emit(self, &i);
    free(memory);
    return rc == -EPIPE ? 0 : rc;
}

static int iterate(struct worker *w, int count)
{
    struct bough_iterator it;
    int item, rc = bough_iterator_open(&it, count_on, &count, sizeof(int));
    if (rc < 0)
        return rc;
    for (int i = 0, some = (int)draw(w, 30); i < some && (rc = bough_next(&it, &item)) == 1; i++)
        CHECK(item == i);
    return bough_iterator_close(&it, rc < 0 ? rc : 0);
}

int use_generators(struct worker *w)
{
    int count = (int)draw(w, 20), some = (int)draw(w, 30), item, rc = 0;
    if (draw(w, 2))
        return iterate(w, count);
    bough_with_generator (rx, count_up, &count, sizeof(int), &rc)
        for (int i = 0; i < some && (rc = bough_receive(rx, &item)) == 1; i++)
            CHECK(item == i);
    return rc < 0 ? rc : 0;
}

/* --- exit pools --- */

static int echo_bytes(void *arg)
{
    char byte;
    int rc;
    while ((rc = bough_stream_receive_some(arg, &byte, 1)) == 1 &&
           (rc = bough_stream_send_all(arg, &byte, 1)) == 0)
        ;
    return rc;
}

/* A service with a task of its own. */
static int service(struct bough_manager *self, void *arg)
{
    struct bough_stream *ours, *theirs;
    int rc = bough_memory_stream_pair(16, &ours, &theirs);
    if (rc < 0)
        return rc;
    rc = bough_sleep(*(int64_t *)arg);
    if (rc == 0)
        bough_with_background (echo_bytes, ours, &rc)
            rc = bough_yield(self, theirs);
    bough_stream_free(ours);
    bough_stream_free(theirs);
    return rc;
}

int use_exit_pools(struct worker *w)
{
    int64_t delays[] = {draw(w, 500) * BOUGH_US, 0, draw(w, 500) * BOUGH_US};
    struct bough_resource all[] = {{.fn = service, .arg = &delays[0]},
                                   {.fn = service, .arg = &delays[1]},
                                   {.fn = service, .arg = &delays[2]}};
    char byte = 'x';
    int rc = 0;
    bough_with_all (all, 3, &rc) {
        for (int i = 0; i < 3 && rc >= 0; i++) {
            rc = bough_stream_send_all(all[i].value, &byte, 1);
            if (rc == 0)
                rc = bough_stream_receive_some(all[i].value, &byte, 1);
        }
        rc = rc < 0 ? rc : 0;
    }
    return rc;
}

/* --- locks --- */

int use_locks(struct worker *w)
{
    struct site *site = w->site;
    int rc = bough_lock_acquire(&site->lock);
    if (rc < 0)
        return rc;
    CHECK(site->inside++ == 0);
    rc = draw(w, 2) ? bough_checkpoint() : bough_sleep(draw(w, 100) * BOUGH_US);
    CHECK(--site->inside == 0);
    bough_lock_release(&site->lock);
    return rc;
}

/* --- failures --- */

static int fail_late(void *arg)
{
    int rc = 0;
    bough_shielded (BOUGH_NEVER, &rc)
        rc = bough_checkpoint();
    return rc < 0 ? rc : bough_fail(-EIO, "the failure number %d", *(int *)arg);
}

static int fail_together(__attribute__((unused)) void *arg)
{
    int numbers[] = {1, 2, 3}, rc = 0;
    bough_with_nursery (n, &rc)
        for (int i = 0; i < 3 && rc == 0; i++)
            rc = bough_nursery_start_soon(n, fail_late, &numbers[i]);
    return rc;
}

int fail_in_groups(struct worker *w)
{
    struct bough_job jobs[] = {{.fn = fail_together}, {.fn = fail_together}};
    int rc = draw(w, 2) ? bough_gather(jobs, 2) : bough_race(jobs, 2, NULL);
    (void)bough_catch(&rc, -EIO);
    return rc;
}
