/* The capacity limiter.
 *
 * Invariant: somebody waits => borrowed >= total. So whoever finds a token free overtakes
 * nobody.
 *
 * Who borrows or waits is in a tree of tokens, so that a second borrowing is found without
 * allocating and without looking through all: a digital search tree. At depth n, bit n of the
 * hashed borrower says left or right; any token may stand anywhere on the path that its bits spell.
 * Hashing multiplies by an odd number, which loses nothing: two borrowers part after 64 levels at
 * the latest, and usually after log2(n).
 * SPDX-License-Identifier: MIT */
#include "bough/error.h"
#include "bough/panic.h"
#include "sync/queue.h"

void bough_limiter_init(struct bough_limiter *l, unsigned total)
{
    l->total = total;
    l->borrowed = 0;
    l->tokens = NULL;
    bough_list_init(&l->waiters);
}

/* --- the tree --- */

/* Where the token of 'borrower' hangs, or would. */
static struct bough_token **tree_find(struct bough_limiter *l, const void *borrower)
{
    uint64_t path = (uint64_t)(uintptr_t)borrower * UINT64_C(0x9e3779b97f4a7c15);
    struct bough_token **at = &l->tokens;
    for (; *at && (*at)->borrower != borrower; path <<= 1)
        at = &(*at)->child[path >> 63];
    return at;
}

static struct bough_token **child_of(struct bough_token *token)
{
    return token->child[0] ? &token->child[0] : token->child[1] ? &token->child[1] : NULL;
}

/* Take out what hangs at 'at'. Any leaf below has its bits so far, and can stand in for it. */
static void tree_remove(struct bough_token **at)
{
    struct bough_token *token = *at, **leaf_at = at, **below;
    while ((below = child_of(*leaf_at)))
        leaf_at = below;
    struct bough_token *leaf = *leaf_at;
    *leaf_at = NULL;
    if (leaf == token)
        return;
    leaf->child[0] = token->child[0];
    leaf->child[1] = token->child[1];
    *at = leaf;
}

/* --- borrowing --- */

static BOUGH_COLD void borrows_twice(const struct bough_token *token)
{
    bough_panic("task %s: a borrower (%p) that %s a token of a limiter asks for another",
                bough_task_name(NULL), token->borrower, token->waiting ? "waits for" : "has");
}

/* Put 'token' into the tree, waiting. */
static void token_enter(struct bough_limiter *l, struct bough_token *token, const void *borrower)
{
    struct bough_token **at = tree_find(l, borrower);
    if (BOUGH_UNLIKELY(*at != NULL))
        borrows_twice(*at);
    *token = (struct bough_token){.borrower = borrower, .waiting = true};
    *at = token;
}

static void token_lend(struct bough_limiter *l, struct bough_token *token)
{
    token->waiting = false;
    l->borrowed++;
}

struct limiter_waiter {
    struct bough_wait wait;
    struct bough_limiter *limiter;
    struct bough_token *token;
};

static bool waiter_leave(struct bough_wait *wait)
{
    struct limiter_waiter *waiter = bough_container_of(wait, struct limiter_waiter, wait);
    tree_remove(tree_find(waiter->limiter, waiter->token->borrower));
    return bough_wait_leave(wait);
}

/* Lend what there is to those who wait, in order. */
static void lend_to_waiters(struct bough_limiter *l)
{
    while (l->borrowed < l->total && !bough_list_is_empty(&l->waiters)) {
        struct bough_wait *wait = queue_first(&l->waiters);
        token_lend(l, bough_container_of(wait, struct limiter_waiter, wait)->token);
        bough_wake(wait, 0);
    }
}

int bough_limiter_acquire_on_behalf(struct bough_limiter *l, struct bough_token *token,
                                    const void *borrower)
{
    int rc = bough_checkpoint_if_cancelled();
    if (rc < 0)
        return rc;
    token_enter(l, token, borrower);
    if (l->borrowed < l->total) {
        token_lend(l, token);
        bough_passed();
        return 0;
    }
    struct limiter_waiter waiter = {
        .wait = {.abort = waiter_leave, .what = "a token of a limiter"},
        .limiter = l,
        .token = token,
    };
    bough_list_push(&l->waiters, &waiter.wait.link);
    return bough_wait(&waiter.wait);
}

int bough_limiter_acquire_on_behalf_nowait(struct bough_limiter *l, struct bough_token *token,
                                           const void *borrower)
{
    struct bough_token **at = tree_find(l, borrower);
    if (BOUGH_UNLIKELY(*at != NULL))
        borrows_twice(*at);
    if (l->borrowed >= l->total)
        return bough_fail_text(-EAGAIN, "all tokens of the limiter are lent");
    token_enter(l, token, borrower);
    token_lend(l, token);
    return 0;
}

void bough_limiter_release_on_behalf(struct bough_limiter *l, const void *borrower)
{
    struct bough_token **at = tree_find(l, borrower);
    if (BOUGH_UNLIKELY(!*at || (*at)->waiting))
        bough_panic("task %s: a borrower (%p) that has no token of a limiter gives one back",
                    bough_task_name(NULL), borrower);
    tree_remove(at);
    l->borrowed--;
    lend_to_waiters(l);
}

/* --- for the running task --- */

int bough_limiter_acquire(struct bough_limiter *l, struct bough_token *token)
{
    return bough_limiter_acquire_on_behalf(l, token, bough_task_current());
}

int bough_limiter_acquire_nowait(struct bough_limiter *l, struct bough_token *token)
{
    return bough_limiter_acquire_on_behalf_nowait(l, token, bough_task_current());
}

void bough_limiter_release(struct bough_limiter *l)
{
    bough_limiter_release_on_behalf(l, bough_task_current());
}

/* --- the total, and asking --- */

void bough_limiter_set_total(struct bough_limiter *l, unsigned total)
{
    l->total = total;
    lend_to_waiters(l);
}

unsigned bough_limiter_total(const struct bough_limiter *l)
{
    return l->total;
}

unsigned bough_limiter_borrowed(const struct bough_limiter *l)
{
    return l->borrowed;
}

unsigned bough_limiter_available(const struct bough_limiter *l)
{
    return l->borrowed < l->total ? l->total - l->borrowed : 0;
}

bool bough_limiter_has_borrowed(const struct bough_limiter *l, const void *borrower)
{
    const struct bough_token *token = *tree_find((struct bough_limiter *)l, borrower);
    return token && !token->waiting;
}

void bough_limiter_stats(const struct bough_limiter *l, struct bough_limiter_stats *ret_stats)
{
    *ret_stats = (struct bough_limiter_stats){
        .total = l->total,
        .borrowed = l->borrowed,
        .available = bough_limiter_available(l),
        .waiting = queue_length(&l->waiters),
    };
}
