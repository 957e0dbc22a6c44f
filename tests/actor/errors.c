/* Failures that cross: codes, words, places and paths, one or many, over one hop or several.
 * SPDX-License-Identifier: MIT */
#include "actor.h"

#include <signal.h>

/* --- over there --- */

static int plain(struct bough_call *call, void *state)
{
    (void)call, (void)state;
    return -ENOTTY; /* without a word */
}

static int fail_alone(void *arg)
{
    int code = *(int *)arg;
    return bough_fail(code, "number %d", -code);
}

static int several(struct bough_call *call, void *state)
{
    int codes[] = {-EIO, -ENOSPC, -EROFS}, rc = 0;
    (void)call, (void)state;
    bough_with_nursery (n, &rc)
        for (int i = 0; i < 3 && rc == 0; i++)
            rc = bough_nursery_start_soon(n, fail_alone, &codes[i]);
    return rc;
}

static int very_many(struct bough_call *call, void *state)
{
    int code = -EIO, rc = 0;
    (void)call, (void)state;
    bough_with_nursery (n, &rc)
        for (int i = 0; i < 1000 && rc == 0; i++)
            rc = bough_nursery_start_soon(n, fail_alone, &code);
    return rc;
}

static int long_words(struct bough_call *call, void *state)
{
    char words[5000];
    (void)call, (void)state;
    memset(words, 'w', sizeof(words) - 1);
    words[sizeof(words) - 1] = '\0';
    return bough_fail(-EIO, "%s", words);
}

static int odd_code(struct bough_call *call, void *state)
{
    int code;
    (void)state;
    int rc = bough_bytes_get(bough_call_request(call), &code);
    return rc < 0 ? rc : bough_fail(code, "odd");
}

static int deep(void *arg)
{
    int *depth = arg, rc = 0;
    if (--*depth == 0)
        return bough_fail(-EIO, "at the bottom");
    bough_with_nursery (n, &rc) {
        rc = bough_nursery_start_soon(n, deep, arg);
    }
    return rc;
}

static int nested(struct bough_call *call, void *state)
{
    int depth = 3;
    (void)call, (void)state;
    return deep(&depth);
}

/* Passes on what its own actor, 'state', fails with. */
static int relay(struct bough_call *call, void *state)
{
    struct bough_bytes request = bough_call_request(call);
    char name[32];
    snprintf(name, sizeof(name), "%.*s", (int)request.size, (const char *)request.data);
    return bough_call(state, name, bough_text("several"), NULL);
}

/* The lowest one dies of it; those above pass on what they are told of that. */
static int doom(struct bough_call *call, void *state)
{
    (void)call;
    return state ? bough_call(state, "doom", BOUGH_NO_BYTES, NULL) : raise(SIGKILL);
}

static int fail(struct bough_call *call, void *state)
{
    (void)call, (void)state;
    return bough_fail(-EIO, "disk %d is gone", 7);
}

static const struct bough_operation operations[] = {
    {"plain", plain},           {"several", several}, {"very_many", very_many},
    {"long_words", long_words}, {"doom", doom},       {"fail", fail},
    {"odd_code", odd_code},     {"nested", nested},   {0}};
BOUGH_ACTOR(clumsy, .operations = operations);

static int with_clumsy(struct bough_manager *self, void *arg)
{
    enum bough_place place;
    int rc = bough_bytes_get(*(struct bough_bytes *)arg, &place);
    bough_with_actors (an, &rc)
        rc = bough_yield(self, start(an, .type = "clumsy", .name = "leaf"));
    return rc;
}
static const struct bough_operation relay_operations[] = {{"relay", relay}, {"doom", doom}, {0}};
BOUGH_ACTOR(middle, .operations = relay_operations, .manager = with_clumsy);

static int with_middle(struct bough_manager *self, void *arg)
{
    enum bough_place place;
    int rc = bough_bytes_get(*(struct bough_bytes *)arg, &place);
    bough_with_actors (an, &rc)
        rc = bough_yield(
            self, start(an, .type = "middle", .name = "middle", .argument = BOUGH_BYTES(place)));
    return rc;
}
BOUGH_ACTOR(top, .operations = relay_operations, .manager = with_middle);

/* Has one for the time of a call. */
static int own_and_lose(struct bough_call *call, void *state)
{
    int rc = 0;
    enum bough_place place = BOUGH_PLACE_PROCESS;
    (void)call, (void)state;
    bough_with_actors (an, &rc)
        rc = bough_call(start(an, .type = "clumsy"), "doom", BOUGH_NO_BYTES, NULL);
    return rc;
}
static const struct bough_operation owner_operations[] = {{"own_and_lose", own_and_lose}, {0}};
BOUGH_ACTOR(owner, .operations = owner_operations);

/* --- here --- */

ACTOR_TEST(a_bare_code_crosses)
{
    int rc = 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *a = start(an, .type = "clumsy");
        CHECK_EQ(bough_call(a, "plain", BOUGH_NO_BYTES, NULL), -ENOTTY);
    }
    return rc;
}

ACTOR_TEST(a_bare_code_has_the_task_that_it_came_from)
{
    int rc = 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *a = start(an, .type = "clumsy", .name = "c");
        CHECK_EQ(bough_call(a, "plain", BOUGH_NO_BYTES, NULL), -ENOTTY);
        CHECK_STR(bough_error_task(bough_error_last()), "c/plain");
    }
    return rc;
}

ACTOR_TEST(several_errors_cross_with_all_their_leaves)
{
    int rc = 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *a = start(an, .type = "clumsy", .name = "c");
        rc = bough_call(a, "several", BOUGH_NO_BYTES, NULL);
        CHECK_EQ(rc, -BOUGH_EGROUP);
        const struct bough_error *e = bough_error_last();
        CHECK_EQ(bough_error_count(e, 0), 3);
        CHECK_STR(bough_error_message(bough_error_find(e, -ENOSPC)), "number 28");
        CHECK_HAS(bough_error_task(bough_error_find(e, -EROFS)), "c/several/");
        CHECK_HAS(bough_error_file(bough_error_find(e, -EROFS)), "errors.c");
        CHECK(bough_error_line(bough_error_find(e, -EROFS)) > 0);
        CHECK(bough_catch(&rc, -EIO));
        CHECK(bough_catch(&rc, -ENOSPC));
        CHECK_EQ(rc, -EROFS);
        CHECK(bough_catch(&rc, -EROFS));
    }
    return rc;
}

ACTOR_TEST(a_failure_of_very_many_parts_is_told_in_part)
{
    int rc = 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *a = start(an, .type = "clumsy");
        CHECK_EQ(bough_call(a, "very_many", BOUGH_NO_BYTES, NULL), -BOUGH_EGROUP);
        CHECK(bough_error_count(bough_error_last(), -EIO) >= 200);
        CHECK_EQ(bough_call(a, "plain", BOUGH_NO_BYTES, NULL), -ENOTTY);
    }
    return rc;
}

ACTOR_TEST(long_words_do_no_harm)
{
    int rc = 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *a = start(an, .type = "clumsy");
        CHECK_EQ(bough_call(a, "long_words", BOUGH_NO_BYTES, NULL), -EIO);
        CHECK_HAS(WHY, "wwwwwwww");
    }
    return rc;
}

ACTOR_TEST(codes_that_errno_does_not_have_cross)
{
    int rc = 0, codes[] = {-1, -4095, -BOUGH_EGROUP + 1, -ECANCELED};
    bough_with_actors (an, &rc) {
        struct bough_actor *a = start(an, .type = "clumsy");
        for (int i = 0; i < 4; i++)
            CHECK_EQ(bough_call(a, "odd_code", BOUGH_BYTES(codes[i]), NULL), codes[i]);
    }
    return rc;
}

ACTOR_TEST(an_error_from_deep_below_has_the_whole_path_of_tasks)
{
    int rc = 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *a = start(an, .type = "clumsy", .name = "c");
        CHECK_EQ(bough_call(a, "nested", BOUGH_NO_BYTES, NULL), -EIO);
        CHECK_STR(bough_error_task(bough_error_last()), "c/nested/deep/deep");
    }
    return rc;
}

ACTOR_TEST(an_error_that_crosses_two_hops_has_both_in_its_path)
{
    int rc = 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *m =
            start(an, .type = "middle", .name = "m", .argument = BOUGH_BYTES(place));
        CHECK_EQ(bough_call(m, "relay", bough_text("fail"), NULL), -EIO);
        CHECK_STR(WHY, "disk 7 is gone");
        CHECK_STR(bough_error_task(bough_error_last()), "m/leaf/fail");
        CHECK_HAS(bough_error_file(bough_error_last()), "errors.c");
        CHECK_EQ(bough_call(m, "relay", bough_text("several"), NULL), -BOUGH_EGROUP);
        CHECK_EQ(bough_error_count(bough_error_last(), 0), 3);
        CHECK_HAS(bough_error_task(bough_error_find(bough_error_last(), -EROFS)),
                  "m/leaf/several/");
    }
    return rc;
}

ACTOR_TEST(an_error_that_crosses_three_hops_has_all_in_its_path)
{
    int rc = 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *top =
            start(an, .type = "top", .name = "top", .argument = BOUGH_BYTES(place));
        CHECK_EQ(bough_call(top, "relay", bough_text("relay"), NULL), -BOUGH_EGROUP);
        CHECK_EQ(bough_error_count(bough_error_last(), 0), 3);
        CHECK_HAS(bough_error_task(bough_error_find(bough_error_last(), -EROFS)),
                  "top/middle/leaf/several/");
    }
    return rc;
}

/* By the calls that were under way, and by the ends of all who had started one that has failed. */
static int die_below(enum bough_place place, const char *type)
{
    int rc = 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *a = start(an, .type = type, .argument = BOUGH_BYTES(place));
        rc = bough_call(a, "doom", BOUGH_NO_BYTES, NULL);
        CHECK_EQ(rc, -EOWNERDEAD);
        CHECK_HAS(WHY, "the actor leaf has died");
    }
    return rc;
}

ACTOR_TEST(a_death_below_is_told_once_though_a_call_has_passed_it_on)
{
    static const char *const types[] = {"middle", "top"};
    if (place == BOUGH_PLACE_THREAD)
        return 0;
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(die_below(place, types[i]), -EOWNERDEAD);
        CHECK_HAS(WHY, "the actor leaf has died");
        CHECK_EQ(bough_error_count(bough_error_last(), 0), 1);
    }
    return 0;
}

/* Nobody else reports it: who owns the dead lives on. */
ACTOR_TEST(a_death_below_that_its_owner_survives_is_told_to_who_has_asked)
{
    int rc = 0;
    if (place == BOUGH_PLACE_THREAD)
        return 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *a = start(an, .type = "owner", .name = "o");
        rc = bough_call(a, "own_and_lose", BOUGH_NO_BYTES, NULL);
        CHECK_EQ(rc, -EOWNERDEAD);
    }
    CHECK_EQ(rc, -EOWNERDEAD);
    CHECK_EQ(bough_error_count(bough_error_last(), 0), 1);
    return 0;
}

ACTOR_TEST(actors_of_the_same_name_are_all_in_the_path)
{
    int rc = 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *m =
            start(an, .type = "middle", .name = "leaf", .argument = BOUGH_BYTES(place));
        CHECK_EQ(bough_call(m, "relay", bough_text("fail"), NULL), -EIO);
        CHECK_STR(bough_error_task(bough_error_last()), "leaf/leaf/fail");
    }
    return rc;
}

struct caller {
    struct bough_actor *a;
    const char *operation;
};

static int call_one(void *arg)
{
    const struct caller *c = arg;
    return bough_call(c->a, c->operation, BOUGH_NO_BYTES, NULL);
}

ACTOR_TEST(calls_to_many_actors_that_fail_at_once_are_all_told)
{
    int rc = 0;
    struct caller callers[8];
    bough_with_actors (an, &rc) {
        for (int i = 0; i < 8; i++)
            callers[i] = (struct caller){start(an, .type = "clumsy"), "fail"};
        bough_with_nursery (n, &rc)
            for (int i = 0; i < 8 && rc == 0; i++)
                rc = bough_nursery_start_soon(n, call_one, &callers[i]);
        /* The first one cancels the others; one whose failure was under way is told, too. */
        CHECK(rc == -EIO || rc == -BOUGH_EGROUP);
        CHECK_EQ(bough_error_count(bough_error_last(), 0),
                 bough_error_count(bough_error_last(), -EIO));
        rc = 0;
        for (int i = 0; i < 8; i++)
            CHECK_EQ(bough_call(callers[i].a, "plain", BOUGH_NO_BYTES, NULL), -ENOTTY);
    }
    return rc;
}

ACTOR_TEST(a_body_that_fails_and_an_actor_that_fails_are_both_told)
{
    int rc = 0;
    bough_with_actors (an, &rc) {
        struct bough_actor *a = start(an, .type = "clumsy");
        rc = bough_call(a, "fail", BOUGH_NO_BYTES, NULL);
    }
    CHECK_EQ(rc, -EIO);
    CHECK_STR(WHY, "disk 7 is gone");
    return 0;
}
