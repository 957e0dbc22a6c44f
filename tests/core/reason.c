/* Reasons: the first one wins, with kind, text, task and place; and links, by which one cancel is
 * several.
 * SPDX-License-Identifier: MIT */
#include "../harness.h"

static int sleeps_forever(__attribute__((unused)) void *arg)
{
    return bough_sleep_forever();
}

/* "reason.c:123" of the line it stands on. */
#define HERE place_text((char[32]){0}, __LINE__)
static char *place_text(char *text, int line)
{
    snprintf(text, 32, "reason.c:%d", line);
    return text;
}

/* --- reasons (rule 7) --- */

TASK_TEST(a_scope_that_is_not_cancelled_has_no_reason)
{
    struct bough_scope s = BOUGH_SCOPE(.timeout = BOUGH_SEC);
    CHECK(bough_scope_reason(&s) == NULL);
    CHECK_EQ(bough_scope_reason_kind(&s), BOUGH_CANCEL_NONE);
    bough_scope_enter(&s);
    CHECK(bough_scope_reason(&s) == NULL);
    CHECK_EQ(bough_scope_reason_kind(&s), BOUGH_CANCEL_NONE);
    return bough_scope_exit(&s, 0);
}

struct cancel {
    struct bough_scope *scope;
    char place[32];
};

static int cancels(void *arg)
{
    struct cancel *c = arg;
    bough_task_set_name("controller");
    snprintf(c->place, sizeof(c->place), "reason.c:%d", __LINE__ + 1);
    bough_scope_cancel(c->scope, "job %d was withdrawn", 7);
    return 0;
}

TASK_TEST(an_explicit_reason_has_text_task_and_place)
{
    int rc = 0;
    bough_with_nursery (n, &rc) {
        struct cancel c = {.scope = bough_nursery_scope(n)};
        rc = bough_nursery_start_soon(n, cancels, &c);
        rc = bough_keep(rc, bough_sleep_forever());
        const char *reason = bough_scope_reason(bough_nursery_scope(n));
        CHECK_HAS(reason, "job 7 was withdrawn");
        CHECK_HAS(reason, "controller");
        CHECK_HAS(reason, c.place);
        CHECK_EQ(bough_scope_reason_kind(bough_nursery_scope(n)), BOUGH_CANCEL_EXPLICIT);
    }
    return rc;
}

TASK_TEST(a_reason_from_elsewhere_is_said_as_it_is)
{
    struct bough_scope s = BOUGH_SCOPE();
    bough_scope_enter(&s);
    bough_scope_cancel_elsewhere(&s, "job %d was withdrawn, in the root", 7);
    CHECK_EQ(bough_scope_reason_kind(&s), BOUGH_CANCEL_ELSEWHERE);
    CHECK_STR(bough_scope_reason(&s), "job 7 was withdrawn, in the root");
    return bough_scope_exit(&s, bough_checkpoint());
}

TASK_TEST(a_reason_needs_no_text)
{
    struct bough_scope s = BOUGH_SCOPE();
    bough_scope_enter(&s);
    const char *place = HERE;
    bough_scope_cancel(&s, NULL), place = HERE;
    CHECK_EQ(bough_scope_reason_kind(&s), BOUGH_CANCEL_EXPLICIT);
    CHECK_HAS(bough_scope_reason(&s), place);
    CHECK_HAS(bough_scope_reason(&s), "main");
    return bough_scope_exit(&s, 0);
}

TASK_TEST(a_deadline_is_a_reason_that_names_the_scope)
{
    struct bough_scope s = BOUGH_SCOPE(.timeout = BOUGH_SEC);
    bough_scope_enter(&s);
    const char *place = NULL;
    int rc = 0;
    bough_move_on_after (BOUGH_MS, &rc) {
        place = HERE;
        rc = bough_sleep_forever();
        CHECK_EQ(bough_scope_reason_kind(bough_scope_current()), BOUGH_CANCEL_DEADLINE);
        CHECK_HAS(bough_scope_reason(bough_scope_current()), "deadline");
        CHECK_HAS(bough_scope_reason(bough_scope_current()), "bough_move_on_after");
        /* The block is two lines above 'place'. */
        CHECK_EQ(bough_scope_current()->opened_at->line + 1, atoi(strchr(place, ':') + 1));
    }
    return bough_scope_exit(&s, rc);
}

TASK_TEST(the_reason_of_an_inner_scope_is_that_of_the_outer)
{
    struct bough_scope outer = BOUGH_SCOPE(), inner = BOUGH_SCOPE();
    bough_scope_enter(&outer);
    bough_scope_cancel(&outer, "from outside");
    bough_scope_enter(&inner);
    CHECK_HAS(bough_scope_reason(&inner), "from outside");
    CHECK_EQ(bough_scope_reason_kind(&inner), BOUGH_CANCEL_EXPLICIT);
    bough_scope_cancel(&inner, "from inside");
    CHECK_HAS(bough_scope_reason(&inner), "from outside");
    bough_scope_set_shield(&inner, true);
    CHECK_HAS(bough_scope_reason(&inner), "from inside");
    return bough_scope_exit(&outer, bough_scope_exit(&inner, 0));
}

TASK_TEST(the_first_reason_wins)
{
    struct bough_scope s = BOUGH_SCOPE(), t = BOUGH_SCOPE(.timeout = BOUGH_SEC), u = BOUGH_SCOPE();
    bough_scope_enter(&s);
    bough_scope_cancel(&s, "first");
    bough_scope_cancel(&s, "second");
    bough_scope_set_deadline(&s, 0);
    bough_scope_shutdown(&s, BOUGH_SEC);
    CHECK_HAS(bough_scope_reason(&s), "first");
    CHECK_EQ(bough_scope_reason_kind(&s), BOUGH_CANCEL_EXPLICIT);
    CHECK_EQ(bough_scope_exit(&s, 0), 0);

    bough_scope_enter(&t);
    CHECK_EQ(bough_sleep_forever(), -ECANCELED);
    bough_scope_cancel(&t, "too late");
    CHECK_EQ(bough_scope_reason_kind(&t), BOUGH_CANCEL_DEADLINE);
    CHECK(!strstr(bough_scope_reason(&t), "too late"));
    CHECK_EQ(bough_scope_exit(&t, 0), 0);

    bough_scope_cancel(&u, "before entry");
    bough_scope_set_deadline(&u, 0);
    bough_scope_enter(&u);
    CHECK_HAS(bough_scope_reason(&u), "before entry");
    return bough_scope_exit(&u, 0);
}

TASK_TEST(the_first_reason_wins_also_between_outer_and_inner)
{
    struct bough_scope outer = BOUGH_SCOPE(), inner = BOUGH_SCOPE();
    bough_scope_enter(&outer);
    bough_scope_enter(&inner);
    bough_scope_cancel(&inner, "inner first");
    bough_scope_cancel(&outer, "outer later");
    CHECK_HAS(bough_scope_reason(&inner), "inner first");
    CHECK_HAS(bough_scope_reason(&outer), "outer later");
    return bough_scope_exit(&outer, bough_scope_exit(&inner, 0));
}

static int fails_io(__attribute__((unused)) void *arg)
{
    return bough_fail(-EIO, "x");
}

TASK_TEST(a_failed_sibling_is_a_reason_that_names_task_and_error)
{
    int rc = 0;
    bough_with_nursery (n, &rc) {
        rc = bough_nursery_start_soon(n, fails_io, NULL);
        rc = bough_keep(rc, bough_sleep_forever());
        const char *reason = bough_scope_reason(bough_nursery_scope(n));
        CHECK_EQ(bough_scope_reason_kind(bough_nursery_scope(n)), BOUGH_CANCEL_SIBLING);
        CHECK_HAS(reason, "fails_io");
        CHECK_HAS(reason, bough_error_name(-EIO));
    }
    CHECK_EQ(rc, -EIO);
    return 0;
}

static char reason_in_child[256];
static enum bough_cancel_kind kind_in_child;

static int notes_the_reason(__attribute__((unused)) void *arg)
{
    int rc = bough_sleep_forever();
    snprintf(reason_in_child, sizeof(reason_in_child), "%s",
             bough_scope_reason(bough_scope_current()));
    kind_in_child = bough_scope_reason_kind(bough_scope_current());
    return rc;
}

TASK_TEST(a_failed_body_is_a_reason_that_names_the_task_and_error)
{
    int rc = 0;
    bough_with_nursery (n, &rc) {
        rc = bough_nursery_start_soon(n, notes_the_reason, NULL);
        if (rc == 0)
            rc = bough_checkpoint();
        rc = bough_fail(-EPIPE, "the body");
    }
    CHECK_EQ(rc, -EPIPE);
    CHECK_EQ(kind_in_child, BOUGH_CANCEL_SIBLING);
    CHECK_HAS(reason_in_child, "main");
    CHECK_HAS(reason_in_child, bough_error_name(-EPIPE));
    return 0;
}

TASK_TEST(a_body_left_early_is_a_reason)
{
    int rc = 0;
    bough_with_nursery (n, &rc) {
        rc = bough_nursery_start_soon(n, notes_the_reason, NULL);
        if (rc == 0)
            rc = bough_checkpoint();
        break;
    }
    CHECK_EQ(kind_in_child, BOUGH_CANCEL_SIBLING);
    CHECK_HAS(reason_in_child, "left early");
    CHECK_HAS(reason_in_child, "reason.c");
    return rc;
}

static int interrupts_itself(__attribute__((unused)) void *arg)
{
    int rc = 0;
    bough_with_nursery (n, &rc) {
        rc = bough_nursery_start_soon(n, notes_the_reason, NULL);
        if (rc == 0)
            rc = bough_checkpoint();
        raise(SIGINT);
        rc = bough_keep(rc, bough_sleep(BOUGH_MINUTE));
    }
    return rc;
}

TEST(a_sigint_is_a_reason)
{
    int rc = bough_test_run(NULL, interrupts_itself, NULL);
    CHECK_EQ(rc, -EINTR);
    CHECK_EQ(kind_in_child, BOUGH_CANCEL_SIGINT);
    CHECK_HAS(reason_in_child, "SIGINT");
}

static int run_in_deadlock(__attribute__((unused)) void *arg)
{
    int rc = 0;
    bough_with_nursery (n, &rc) {
        rc = bough_nursery_start_soon(n, notes_the_reason, NULL);
        rc = bough_keep(rc, bough_sleep_forever());
    }
    return rc;
}

TEST(a_deadlock_is_a_reason_with_the_task_tree)
{
    int rc = bough_test_run(NULL, run_in_deadlock, NULL);
    CHECK_EQ(rc, -EDEADLK);
    CHECK_EQ(kind_in_child, BOUGH_CANCEL_DEADLOCK);
    CHECK_HAS(reason_in_child, "deadlock");
    CHECK_HAS(reason_in_child, "sleep forever");
}

static int shuts_down(void *arg)
{
    bough_task_set_name("manager");
    bough_scope_shutdown(arg, 0);
    return 0;
}

TASK_TEST(a_shutdown_is_a_reason_with_the_task_that_asked)
{
    int rc = 0;
    bough_with_nursery (n, &rc) {
        rc = bough_nursery_start_soon(n, shuts_down, bough_nursery_scope(n));
        rc = bough_keep(rc, bough_sleep_forever());
        CHECK_EQ(bough_scope_reason_kind(bough_nursery_scope(n)), BOUGH_CANCEL_SHUTDOWN);
        CHECK_HAS(bough_scope_reason(bough_nursery_scope(n)), "shutdown");
        CHECK_HAS(bough_scope_reason(bough_nursery_scope(n)), "manager");
        CHECK_HAS(bough_scope_reason(bough_nursery_scope(n)), "reason.c");
    }
    return rc;
}

/* --- links (rule 11) --- */

TASK_TEST(cancelling_the_parent_cancels_the_linked_scopes)
{
    int rc = 0;
    struct bough_scope handle = BOUGH_SCOPE();
    bough_with_nursery (n, &rc) {
        struct bough_nursery a, b;
        rc = bough_nursery_start_soon(n, sleeps_forever, NULL);
        bough_nursery_open(&a);
        bough_nursery_open(&b);
        bough_scope_link(&handle, bough_nursery_scope(&b));
        bough_scope_link(&handle, bough_nursery_scope(n));
        bough_scope_cancel(&handle, "all of it");
        CHECK(bough_scope_cancel_called(bough_nursery_scope(n)));
        CHECK(!bough_scope_cancel_called(bough_nursery_scope(&a)));
        CHECK(bough_scope_cancel_called(bough_nursery_scope(&b)));
        CHECK_EQ(bough_checkpoint(), -ECANCELED);
        rc = bough_nursery_close(&a, bough_nursery_close(&b, rc));
    }
    return rc;
}

TASK_TEST(a_linked_scope_has_the_reason_of_its_parent)
{
    struct bough_scope a = BOUGH_SCOPE(), b = BOUGH_SCOPE();
    const char *place;
    bough_scope_link(&a, &b);
    bough_scope_enter(&b);
    bough_scope_cancel(&a, "all of it"), place = HERE;
    CHECK_EQ(bough_scope_reason_kind(&b), BOUGH_CANCEL_EXPLICIT);
    CHECK_HAS(bough_scope_reason(&b), "all of it");
    CHECK_HAS(bough_scope_reason(&b), place);
    CHECK_HAS(bough_scope_reason(&b), "task main");
    CHECK_EQ(bough_scope_exit(&b, bough_checkpoint()), 0);
    CHECK(bough_scope_cancelled_caught(&b));
    CHECK_HAS(bough_scope_reason(&a), "all of it");
    return 0;
}

TASK_TEST(a_cancel_of_a_linked_scope_leaves_the_parent_alone)
{
    struct bough_scope a = BOUGH_SCOPE(), b = BOUGH_SCOPE();
    bough_scope_link(&a, &b);
    bough_scope_cancel(&b, NULL);
    CHECK(!bough_scope_cancel_called(&a));
    return 0;
}

TASK_TEST(linking_to_a_cancelled_scope_cancels_at_once)
{
    struct bough_scope a = BOUGH_SCOPE(), b = BOUGH_SCOPE();
    bough_scope_enter(&b);
    bough_scope_cancel(&a, "earlier");
    bough_scope_link(&a, &b);
    CHECK_EQ(bough_checkpoint(), -ECANCELED);
    CHECK_HAS(bough_scope_reason(&b), "earlier");
    return bough_scope_exit(&b, 0);
}

TASK_TEST(an_unlinked_scope_is_not_cancelled)
{
    struct bough_scope a = BOUGH_SCOPE(), b = BOUGH_SCOPE(), c = BOUGH_SCOPE(), d = BOUGH_SCOPE();
    bough_scope_link(&a, &b);
    bough_scope_link(&a, &c);
    bough_scope_link(&a, &d);
    bough_scope_link(NULL, &c);
    bough_scope_cancel(&a, NULL);
    CHECK(bough_scope_cancel_called(&b));
    CHECK(!bough_scope_cancel_called(&c));
    CHECK(bough_scope_cancel_called(&d));
    return 0;
}

TASK_TEST(a_new_link_replaces_the_old_one)
{
    struct bough_scope a = BOUGH_SCOPE(), b = BOUGH_SCOPE(), c = BOUGH_SCOPE();
    bough_scope_link(&a, &c);
    bough_scope_link(&b, &c);
    bough_scope_cancel(&a, NULL);
    CHECK(!bough_scope_cancel_called(&c));
    bough_scope_cancel(&b, NULL);
    CHECK(bough_scope_cancel_called(&c));
    return 0;
}

TASK_TEST(links_end_with_the_scopes)
{
    struct bough_scope a = BOUGH_SCOPE(), c = BOUGH_SCOPE();
    {
        struct bough_scope b = BOUGH_SCOPE();
        bough_scope_link(&a, &b);
        bough_scope_enter(&b);
        CHECK_EQ(bough_scope_exit(&b, 0), 0);
        memset(&b, 0xff, sizeof(b));
    }
    bough_scope_enter(&a);
    bough_scope_link(&a, &c);
    CHECK_EQ(bough_scope_exit(&a, 0), 0);
    memset(&a, 0xff, sizeof(a));
    bough_scope_enter(&c);
    return bough_scope_exit(&c, bough_checkpoint());
}

TASK_TEST(a_scope_that_was_left_is_not_linked)
{
    struct bough_scope a = BOUGH_SCOPE(), b = BOUGH_SCOPE();
    {
        struct bough_scope left = BOUGH_SCOPE();
        bough_scope_enter(&left);
        CHECK_EQ(bough_scope_exit(&left, 0), 0);
        bough_scope_link(&a, &left);
        bough_scope_link(&left, &b);
        memset(&left, 0xff, sizeof(left));
    }
    bough_scope_cancel(&a, NULL);
    bough_scope_enter(&b);
    return bough_scope_exit(&b, bough_checkpoint());
}

TASK_TEST(links_may_be_chained_and_even_go_round)
{
    struct bough_scope s[3] = {BOUGH_SCOPE(), BOUGH_SCOPE(), BOUGH_SCOPE()};
    bough_scope_link(&s[0], &s[1]);
    bough_scope_link(&s[1], &s[2]);
    bough_scope_link(&s[2], &s[0]);
    bough_scope_cancel(&s[1], NULL);
    for (int i = 0; i < 3; i++)
        CHECK(bough_scope_cancel_called(&s[i]));
    return 0;
}

TASK_TEST(a_scope_linked_to_one_inside_it_is_cancelled_with_it)
{
    struct bough_scope outer = BOUGH_SCOPE(), middle = BOUGH_SCOPE(.shield = true),
                       inner = BOUGH_SCOPE();
    bough_scope_enter(&outer);
    bough_scope_cancel(&outer, NULL);
    bough_scope_enter(&middle);
    bough_scope_enter(&inner);
    bough_scope_link(&inner, &middle);
    CHECK_EQ(bough_checkpoint(), 0);
    /* 'middle' is cancelled from outside, and on the way by what is inside it. */
    bough_scope_set_shield(&middle, false);
    CHECK(bough_scope_cancel_called(&middle));
    int rc = bough_scope_exit(&inner, bough_checkpoint());
    return bough_scope_exit(&outer, bough_scope_exit(&middle, rc));
}

TASK_TEST(a_cancel_from_outside_goes_on_through_links)
{
    struct bough_scope outer = BOUGH_SCOPE(), parent = BOUGH_SCOPE(), child = BOUGH_SCOPE();
    bough_scope_link(&parent, &child);
    bough_scope_enter(&outer);
    bough_scope_enter(&parent);
    CHECK_EQ(bough_checkpoint(), 0);
    bough_scope_cancel(&outer, "outside");
    CHECK(bough_scope_cancel_called(&child));
    CHECK_HAS(bough_scope_reason(&child), "outside");
    return bough_scope_exit(&outer, bough_scope_exit(&parent, 0));
}

TASK_TEST(a_parent_entered_under_a_cancel_cancels_its_links)
{
    struct bough_scope outer = BOUGH_SCOPE(), parent = BOUGH_SCOPE(), child = BOUGH_SCOPE();
    bough_scope_link(&parent, &child);
    bough_scope_enter(&outer);
    bough_scope_cancel(&outer, "outside");
    bough_scope_enter(&parent);
    CHECK(bough_scope_cancel_called(&child));
    return bough_scope_exit(&outer, bough_scope_exit(&parent, 0));
}

TASK_TEST(a_soft_cancel_goes_through_links_as_soft)
{
    int rc = 0;
    struct bough_scope parent = BOUGH_SCOPE(), child = BOUGH_SCOPE();
    bough_scope_link(&parent, &child);
    bough_scope_enter(&parent);
    bough_scope_enter(&child);
    bough_scope_shutdown(&parent, BOUGH_SEC);
    bough_graceful (&rc)
        rc = bough_sleep(BOUGH_MS);
    CHECK_EQ(rc, 0);
    bough_graceful (&rc)
        rc = bough_sleep_forever();
    CHECK_EQ(rc, -ECANCELED);
    CHECK_EQ(bough_now(), BOUGH_SEC);
    return bough_scope_exit(&parent, bough_scope_exit(&child, rc));
}

TASK_TEST(thousands_of_scopes_may_be_linked)
{
    enum { LINKED = 10000 };
    struct bough_scope parent = BOUGH_SCOPE(), *scopes = malloc(LINKED * sizeof(*scopes));
    for (int i = 0; i < LINKED; i++) {
        scopes[i] = BOUGH_SCOPE();
        bough_scope_link(&parent, &scopes[i]);
    }
    bough_scope_cancel(&parent, "all");
    for (int i = 0; i < LINKED; i++)
        CHECK(bough_scope_cancel_called(&scopes[i]));
    for (int i = 0; i < LINKED; i++)
        bough_scope_link(NULL, &scopes[i]);
    free(scopes);
    return 0;
}
