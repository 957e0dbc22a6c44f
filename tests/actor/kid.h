/* Children for the tests of supervisors: they do as they are told, and write down what happens to
 * them: "+a" when a is up, "-a" when it has ended.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "../harness.h"

#include <bough/supervisor.h>

#include <stdarg.h>

static char journal[4096];

__attribute__((unused)) static void note(char sign, const char *id)
{
    size_t length = strlen(journal);
    if (length + strlen(id) + 3 < sizeof(journal))
        snprintf(journal + length, sizeof(journal) - length, "%s%c%s", length ? " " : "", sign, id);
}

/* What has happened since the last time. */
#define CHECK_JOURNAL(expected)                                                                    \
    do {                                                                                           \
        CHECK_STR(journal, expected);                                                              \
        journal[0] = 0;                                                                            \
    } while (0)

struct kid {
    const char *id;
    int64_t starts_in; /* until bough_started(), if it is started that way */
    int start_fails;   /* so many of its lives, after the first 'good_starts', fail before that */
    int good_starts;
    int64_t lives_for; /* 0: until it is cancelled */
    int lives;         /* so many of its lives end after that; 0: all of them */
    int ends_with;
    int64_t unwinds_for; /* when it is cancelled */
    int unwinds_with;    /* 0: the cancel */
    int began, inside;   /* lives; now */
};

static int kid_unwind(struct kid *k, int rc)
{
    int shielded = 0;
    if (rc != -ECANCELED)
        return rc;
    bough_shielded (BOUGH_NEVER, &shielded)
        shielded = k->unwinds_for ? bough_sleep(k->unwinds_for) : 0;
    (void)shielded;
    return k->unwinds_with ? bough_fail(k->unwinds_with, "%s, unwinding", k->id) : rc;
}

static int kid_live(struct kid *k)
{
    int rc = 0, number = ++k->began;
    if (k->starts_in)
        rc = bough_sleep(k->starts_in);
    if (rc == 0 && number > k->good_starts && number <= k->good_starts + k->start_fails)
        return bough_fail(-ENXIO, "%s, starting", k->id);
    if (rc < 0)
        return rc;
    bough_started(NULL);
    note('+', k->id);
    if (!k->lives_for || (k->lives && number > k->lives))
        rc = bough_sleep_forever();
    else
        rc = bough_sleep(k->lives_for);
    if (rc == 0 && k->ends_with)
        rc = bough_fail(k->ends_with, "%s, life %d", k->id, number);
    rc = kid_unwind(k, rc);
    note('-', k->id);
    return rc;
}

static int kid(void *arg)
{
    struct kid *k = arg;
    CHECK_EQ(k->inside, 0); /* never two lives at once */
    k->inside = 1;
    int rc = kid_live(k);
    k->inside = 0;
    return rc;
}

/* A child that is started with bough_started(), permanent if nothing else is said. */
#define KID(k, ...)                                                                                \
    (&(struct bough_child_spec){                                                                   \
        .id = (k)->id, .fn = kid, .arg = (k), .start_timeout = BOUGH_NEVER, ##__VA_ARGS__})

/* The messages of the last failure, in order, joined by "; ". */
__attribute__((unused)) static const char *messages(void)
{
    static char text[2048];
    const struct bough_error *e = bough_error_last();
    text[0] = 0;
    for (const struct bough_error *leaf = bough_error_first(e) ? bough_error_first(e) : e; leaf;
         leaf = leaf == e ? NULL : bough_error_next(leaf)) {
        size_t length = strlen(text);
        snprintf(text + length, sizeof(text) - length, "%s%s", length ? "; " : "",
                 bough_error_message(leaf));
    }
    return text;
}
