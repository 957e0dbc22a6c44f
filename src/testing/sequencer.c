/* Numbered places that tasks go through in order.
 * SPDX-License-Identifier: MIT */
#include "bough/error.h"
#include "bough/panic.h"
#include "bough/testing.h"

struct turn {
    struct bough_wait wait;
    struct bough_sequencer *seq;
    unsigned place;
};

void bough_sequencer_init(struct bough_sequencer *seq)
{
    seq->turn = 0;
    seq->inside = seq->broken = false;
    bough_list_init(&seq->waiters);
}

static void sequencer_break(struct bough_sequencer *seq)
{
    seq->broken = true;
    bough_wake_all(&seq->waiters, -EPIPE);
}

static bool turn_abort(struct bough_wait *wait)
{
    struct turn *turn = bough_container_of(wait, struct turn, wait);
    bough_list_unlink(&wait->link);
    sequencer_break(turn->seq);
    return true;
}

static struct turn *find_turn(struct bough_sequencer *seq, unsigned place)
{
    bough_list_foreach (node, &seq->waiters) {
        struct turn *turn = bough_container_of(node, struct turn, wait.link);
        if (turn->place == place)
            return turn;
    }
    return NULL;
}

static int sequencer_is_broken(void)
{
    return bough_fail_text(-EPIPE, "the sequencer is broken: a task was cancelled in its place");
}

int bough_sequencer_enter(struct bough_sequencer *seq, unsigned place)
{
    if (place < seq->turn || (place == seq->turn && seq->inside) || find_turn(seq, place))
        bough_panic("place %u of a sequencer is taken twice", place);
    int rc = bough_checkpoint();
    if (rc < 0) {
        sequencer_break(seq);
        return rc;
    }
    if (seq->broken)
        return sequencer_is_broken();
    if (place == seq->turn) {
        seq->inside = true;
        return 0;
    }
    struct turn turn = {.wait = {.abort = turn_abort, .what = "its turn in a sequencer"},
                        .seq = seq,
                        .place = place};
    bough_list_push(&seq->waiters, &turn.wait.link);
    rc = bough_wait(&turn.wait);
    return rc == -EPIPE ? sequencer_is_broken() : rc;
}

void bough_sequencer_leave(struct bough_sequencer *seq)
{
    struct turn *next = find_turn(seq, ++seq->turn);
    seq->inside = next != NULL;
    if (next)
        bough_wake(&next->wait, 0);
}
