/* A quote service, and its customers: dialogues with an actor, some of them slow.
 *
 * The market is an actor, in a process or with "--place thread" in a thread. A task of its own
 * moves the prices; each customer has a dialogue with it, a stream of messages to and fro. The fast
 * one sees every price. The slow one takes its time: its window fills, the market's send waits, and
 * what it cannot be told in time it misses and is told that it did; nobody's memory grows, and
 * nobody waits for anybody else. The third one names limits while prices come, on the same stream.
 * SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include <bough.h>

struct quote {
    int number, price;  /* price 0: so many were missed */
    char padding[4096]; /* a real one would have a book of orders here */
};

enum { QUOTES = 600 };

/* --- over there --- */

struct market {
    struct bough_broadcast *quotes;
    struct bough_event open;
};

/* Moves the price until the day is over, at a pace that the slow cannot keep. */
static int move_prices(void *arg)
{
    struct market *m = arg;
    struct quote q = {.price = 1000};
    int rc = bough_event_wait(&m->open);
    for (q.number = 1; rc == 0 && q.number <= QUOTES; q.number++) {
        q.price += q.number % 7 - 3;
        rc = bough_broadcast_send(m->quotes, &q);
        if (rc == 0 && q.number % 8 == 0)
            rc = bough_sleep(BOUGH_MS);
    }
    bough_broadcast_close(m->quotes);
    m->quotes = NULL;
    return rc;
}

static int market_manager(struct bough_manager *self, void *arg)
{
    struct market m = {0};
    (void)arg;
    bough_event_init(&m.open);
    int rc = bough_broadcast_open(sizeof(struct quote), 32, BOUGH_BROADCAST_LAG, &m.quotes);
    if (rc < 0)
        return rc;
    bough_with_nursery (n, &rc) {
        rc = bough_nursery_start_service(n, move_prices, &m);
        if (rc == 0)
            rc = bough_yield(self, &m);
    }
    bough_broadcast_close(m.quotes);
    return rc;
}

static int open_market(struct bough_call *call, void *state)
{
    struct market *m = state;
    (void)call;
    bough_event_set(&m->open);
    return 0;
}

static int send_quotes(struct bough_subscriber *mine, struct bough_dialogue *d)
{
    struct quote q;
    int rc;
    while ((rc = bough_subscriber_receive(mine, &q)) != 0) {
        if (rc == -EOVERFLOW)
            q = (struct quote){.number = (int)bough_subscriber_lost(mine)};
        else if (rc < 0)
            return rc;
        rc = bough_dialogue_send(d, BOUGH_BYTES(q));
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* The operation "watch". */
static int watch(struct bough_call *call, void *state)
{
    struct market *m = state;
    struct bough_dialogue *d;
    struct bough_subscriber *mine;
    int rc = m->quotes ? bough_broadcast_subscribe(m->quotes, &mine)
                       : bough_fail(-ENODATA, "the market is closed for today");
    if (rc < 0)
        return rc;
    rc = bough_call_started(call, bough_text("welcome"), &d);
    if (rc == 0)
        rc = send_quotes(mine, d);
    bough_subscriber_close(mine);
    return rc;
}

/* The operation "alert": limits come in, and what has passed them goes out. */
static int alert(struct bough_call *call, void *state)
{
    struct market *m = state;
    struct bough_dialogue *d;
    struct bough_subscriber *mine;
    struct bough_message limit;
    int rc = bough_broadcast_subscribe(m->quotes, &mine);
    if (rc < 0)
        return rc;
    rc = bough_call_started(call, BOUGH_NO_BYTES, &d);
    while (rc >= 0 && (rc = bough_dialogue_receive(d, &limit)) == 1) {
        int at;
        struct quote q = {0};
        rc = bough_message_get(&limit, &at);
        bough_message_free(&limit);
        while (rc >= 0 && (rc = bough_subscriber_receive(mine, &q)) != 0 && q.price < at)
            rc = rc == -EOVERFLOW ? 0 : rc;
        if (rc > 0)
            rc = bough_dialogue_send(d, BOUGH_BYTES(q.price));
    }
    bough_subscriber_close(mine);
    return rc;
}

static const struct bough_operation market_operations[] = {
    {"open", open_market}, {"watch", watch}, {"alert", alert}, {0}};
BOUGH_ACTOR(market, .operations = market_operations, .manager = market_manager);

/* --- the customers --- */

struct customer {
    const char *name;
    struct bough_actor *market;
    int64_t pause; /* after each quote */
    int seen, missed;
};

static int customer(void *arg)
{
    struct customer *c = arg;
    int rc = 0;
    bough_with_dialogue (d, c->market, "watch", BOUGH_NO_BYTES, &rc) {
        struct bough_message m;
        bool up = bough_started(NULL);
        struct quote q;
        rc = up ? 0 : -ECANCELED;
        while (rc >= 0 && (rc = bough_dialogue_receive(d, &m)) == 1) {
            rc = bough_message_get(&m, &q);
            bough_message_free(&m);
            c->seen += q.price > 0;
            c->missed = q.price > 0 ? c->missed : q.number;
            if (rc == 0)
                rc = bough_sleep(c->pause);
        }
    }
    return rc;
}

/* Two limits, the second one named when the first has been passed. */
static int limits(void *arg)
{
    struct customer *c = arg;
    int rc = 0;
    bough_with_dialogue (d, c->market, "alert", BOUGH_NO_BYTES, &rc) {
        const int wanted[] = {1001, 1002};
        bool up = bough_started(NULL);
        rc = up ? 0 : -ECANCELED;
        for (int i = 0; i < 2 && rc >= 0; i++) {
            struct bough_message m;
            rc = bough_dialogue_send(d, BOUGH_BYTES(wanted[i]));
            if (rc == 0 && (rc = bough_dialogue_receive(d, &m)) == 1) {
                c->seen++;
                bough_message_free(&m);
            }
        }
    }
    return rc < 0 ? rc : 0;
}

static int trade(void *arg)
{
    const struct bough_actor_spec *spec = arg;
    struct customer fast = {.name = "fast"}, slow = {.name = "slow", .pause = 5 * BOUGH_MS};
    struct customer limit = {.name = "limit"};
    int rc = 0;
    bough_with_actors (an, &rc) {
        rc = bough_actor_start(an, spec, &fast.market);
        slow.market = limit.market = fast.market;
        if (rc < 0)
            break;
        bough_with_nursery (n, &rc) {
            rc = bough_nursery_start(n, customer, &fast, NULL);
            if (rc == 0)
                rc = bough_nursery_start(n, customer, &slow, NULL);
            if (rc == 0)
                rc = bough_nursery_start(n, limits, &limit, NULL);
            if (rc == 0)
                rc = bough_call(fast.market, "open", BOUGH_NO_BYTES, NULL);
        }
    }
    if (rc < 0)
        return rc;
    printf("the fast one has seen %d of %d, and missed %d\n", fast.seen, QUOTES, fast.missed);
    printf("the slow one has seen %s of them, and knows that it missed the rest: %s\n",
           slow.seen < QUOTES ? "some" : "all", slow.seen + slow.missed == QUOTES ? "yes" : "NO");
    printf("limits that were passed: %d of 2\n", limit.seen);
    return 0;
}

int main(int argc, char **argv)
{
    struct bough_actor_spec spec = {.type = "market", .place = BOUGH_PLACE_PROCESS};
    if (argc == 3 && strcmp(argv[1], "--place") == 0 && strcmp(argv[2], "thread") == 0)
        spec.place = BOUGH_PLACE_THREAD;
    int rc = bough_run(trade, &spec);
    if (rc < 0)
        bough_error_print(bough_error_last(), stderr);
    return rc < 0;
}
