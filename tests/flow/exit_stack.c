/* Exit stacks: what is to be undone, the last first, each seeing the result so far.
 * SPDX-License-Identifier: MIT */
#include "door.h"

#include <bough/exit_stack.h>

/* What was called, in order: a letter each. */
static char log_[64];

static void note(char letter)
{
    size_t length = strlen(log_);
    CHECK(length + 1 < sizeof(log_));
    log_[length] = letter;
    log_[length + 1] = '\0';
}

static void defer_note(void *arg)
{
    note(*(const char *)arg);
}

/* An exit function: notes its letter and what it sees, and gives what it is told. */
struct step {
    char letter;
    int gives; /* 1: what it sees */
    int saw;
};

static int step(void *arg, int rc)
{
    struct step *s = arg;
    note(s->letter);
    s->saw = rc;
    if (s->gives == 1)
        return rc;
    return s->gives < 0 ? bough_fail(s->gives, "of step %c", s->letter) : s->gives;
}

/* --- order and results --- */

TASK_TEST(they_are_called_in_the_opposite_order)
{
    struct step b = {'b', 1, 0};
    struct bough_exit_stack st;
    bough_exit_stack_open(&st);
    CHECK_EQ(bough_exit_stack_defer(&st, defer_note, "a", NULL), 0);
    CHECK_EQ(bough_exit_stack_push(&st, step, &b, NULL), 0);
    CHECK_EQ(bough_exit_stack_defer(&st, defer_note, "c", NULL), 0);
    CHECK_STR(log_, "");
    CHECK_EQ(bough_exit_stack_close(&st, 42), 42);
    CHECK_STR(log_, "cba");
    return 0;
}

TASK_TEST(an_empty_one_gives_what_it_is_given_and_is_no_checkpoint)
{
    struct bough_exit_stack st;
    int rc = 0;
    bough_assert_no_checkpoints (&rc) {
        bough_exit_stack_open(&st);
        rc = bough_exit_stack_close(&st, 7);
    }
    CHECK_EQ(rc, 7);
    bough_exit_stack_open(&st); /* again */
    CHECK_EQ(bough_exit_stack_close(&st, -EIO), -EIO);
    return 0;
}

TASK_TEST(each_sees_the_result_so_far_and_may_replace_or_suppress_it)
{
    struct step pass = {'a', 1, 0}, replace = {'b', -ENOENT, 0}, suppress = {'c', 0, 0},
                first = {'d', 1, 0};
    struct bough_exit_stack st;
    bough_exit_stack_open(&st);
    CHECK_EQ(bough_exit_stack_push(&st, step, &pass, NULL), 0);
    CHECK_EQ(bough_exit_stack_defer(&st, defer_note, "-", NULL), 0);
    CHECK_EQ(bough_exit_stack_push(&st, step, &replace, NULL), 0);
    CHECK_EQ(bough_exit_stack_push(&st, step, &suppress, NULL), 0);
    CHECK_EQ(bough_exit_stack_push(&st, step, &first, NULL), 0);
    CHECK_EQ(bough_exit_stack_close(&st, bough_fail(-EIO, "of the body")), -ENOENT);
    CHECK_STR(log_, "dcb-a");
    CHECK(first.saw == -EIO && suppress.saw == -EIO && replace.saw == 0 && pass.saw == -ENOENT);
    CHECK_STR(bough_error_message(bough_error_last()), "of step b");
    CHECK_EQ(leaves(-ENOENT), 1);
    return 0;
}

static int keep(void *arg, int rc)
{
    return bough_keep(rc, step(arg, rc));
}

TASK_TEST(whatever_fails_all_are_run_and_errors_can_be_kept)
{
    struct step a = {'a', -EIO, 0}, b = {'b', -ENOSPC, 0};
    struct bough_exit_stack st;
    int rc;
    bough_exit_stack_open(&st);
    CHECK_EQ(bough_exit_stack_push(&st, keep, &a, NULL), 0);
    CHECK_EQ(bough_exit_stack_push(&st, keep, &b, NULL), 0);
    rc = bough_exit_stack_close(&st, bough_fail(-EPERM, "of the body"));
    CHECK_EQ(rc, -BOUGH_EGROUP);
    CHECK_EQ(leaves(rc), 3);
    CHECK_STR(log_, "ba");
    return 0;
}

static int adds_another(void *arg, int rc)
{
    note('b');
    CHECK_EQ(bough_exit_stack_defer(arg, defer_note, "c", NULL), 0);
    return rc;
}

TASK_TEST(what_one_adds_while_the_stack_closes_comes_next)
{
    struct bough_exit_stack st;
    bough_exit_stack_open(&st);
    CHECK_EQ(bough_exit_stack_defer(&st, defer_note, "a", NULL), 0);
    CHECK_EQ(bough_exit_stack_push(&st, adds_another, &st, NULL), 0);
    CHECK_EQ(bough_exit_stack_close(&st, 0), 0);
    CHECK_STR(log_, "bca");
    return 0;
}

/* --- managers in it --- */

TASK_TEST(managers_nest_in_it_as_blocks_do)
{
    struct door a = {.cleanup = BOUGH_SEC}, b = {.cleanup = BOUGH_SEC, .suppresses = true};
    struct step between = {'s', 1, 0};
    struct bough_exit_stack st;
    void *value;
    bough_exit_stack_open(&st);
    CHECK_EQ(bough_exit_stack_enter(&st, door, &a, &value, NULL), 0);
    CHECK(value == &a);
    CHECK_EQ(bough_exit_stack_push(&st, step, &between, NULL), 0);
    CHECK_EQ((bough_exit_stack_enter)(&st, door, &b, NULL, NULL), 0);
    CHECK_EQ(bough_exit_stack_close(&st, bough_fail(-EIO, "of the body")), 0);
    CHECK_EQ(b.saw, -EIO);
    CHECK(between.saw == 0 && a.saw == 0);
    CHECK_EQ(b.exited_at, BOUGH_SEC);
    CHECK_EQ(a.left_at, BOUGH_SEC);
    CHECK_EQ(a.exited_at, 2 * BOUGH_SEC);
    return 0;
}

TASK_TEST(an_enter_that_fails_adds_nothing_and_the_others_are_exited)
{
    struct door doors[3] = {{0}, {0}, {.enter_fails = -ENOENT}};
    struct bough_exit_stack st;
    struct bough_exit_ticket *ticket = NULL;
    void *value = NULL;
    int rc = 0;
    bough_exit_stack_open(&st);
    for (int i = 0; i < 3 && rc == 0; i++)
        rc = bough_exit_stack_enter(&st, door, &doors[i], i == 2 ? &value : NULL,
                                    i == 2 ? &ticket : NULL);
    CHECK_EQ(rc, -ENOENT);
    CHECK(!ticket && !value);
    rc = bough_exit_stack_close(&st, rc);
    CHECK_EQ(rc, -ENOENT);
    CHECK_EQ(leaves(rc), 1);
    CHECK(doors[0].saw == -ENOENT && doors[1].saw == -ENOENT && doors[0].exited == 1);
    return 0;
}

TASK_TEST(a_timeout_of_a_manager_in_it_cancels_what_follows_and_comes_out)
{
    struct door a = {0}, b = {.timeout = BOUGH_SEC}, c = {.cleanup = BOUGH_SEC};
    struct bough_exit_stack st;
    int rc;
    bough_exit_stack_open(&st);
    CHECK_EQ(bough_exit_stack_enter(&st, door, &a, NULL, NULL), 0);
    CHECK_EQ(bough_exit_stack_enter(&st, door, &b, NULL, NULL), 0);
    CHECK_EQ(bough_exit_stack_enter(&st, door, &c, NULL, NULL), 0);
    rc = use(&c, BOUGH_MINUTE);
    CHECK_EQ(rc, -ECANCELED);
    CHECK_EQ(bough_exit_stack_close(&st, rc), -ETIMEDOUT);
    CHECK(c.saw == -ECANCELED && b.saw == -ECANCELED && a.saw == -ETIMEDOUT);
    CHECK_EQ(bough_now(), 2 * BOUGH_SEC);
    return 0;
}

TASK_TEST(hundreds_of_entries_are_run)
{
    enum { MOST = 200 };
    static struct door doors[MOST];
    static struct step steps[MOST];
    struct bough_exit_stack st;
    struct bough_exit_ticket *ticket;
    int many = test_scale(MOST);
    bough_exit_stack_open(&st);
    for (int i = 0; i < many; i++) {
        steps[i].gives = i % 2 ? 1 : -1 - i;
        steps[i].letter = 'x';
        CHECK_EQ(bough_exit_stack_enter(&st, door, &doors[i], NULL, NULL), 0);
        CHECK_EQ(bough_exit_stack_push(&st, step, &steps[i], &ticket), 0);
        if (i >= 20)
            bough_exit_stack_disarm(&st, ticket);
    }
    CHECK_EQ(bough_exit_stack_close(&st, -EIO), -1);
    CHECK_EQ(strlen(log_), 20);
    for (int i = 0; i < many; i++)
        CHECK_EQ(doors[i].saw, i >= 19 ? -EIO : -1 - (i + 1) / 2 * 2);
    return 0;
}

/* --- tickets --- */

TASK_TEST(a_disarmed_entry_is_not_called)
{
    struct step b = {'b', -EIO, 0};
    struct bough_exit_stack st;
    struct bough_exit_ticket *tickets[3];
    bough_exit_stack_open(&st);
    CHECK_EQ(bough_exit_stack_defer(&st, defer_note, "a", &tickets[0]), 0);
    CHECK_EQ(bough_exit_stack_push(&st, step, &b, &tickets[1]), 0);
    CHECK_EQ(bough_exit_stack_defer(&st, defer_note, "c", &tickets[2]), 0);
    bough_exit_stack_disarm(&st, tickets[1]);
    CHECK_EQ(bough_exit_stack_close(&st, 0), 0);
    CHECK_STR(log_, "ca");
    return 0;
}

TASK_TEST(an_entry_that_is_run_early_is_not_called_again)
{
    struct step b = {'b', -ENOENT, 0};
    struct bough_exit_stack st;
    struct bough_exit_ticket *early;
    bough_exit_stack_open(&st);
    CHECK_EQ(bough_exit_stack_defer(&st, defer_note, "a", NULL), 0);
    CHECK_EQ(bough_exit_stack_push(&st, step, &b, &early), 0);
    CHECK_EQ(bough_exit_stack_defer(&st, defer_note, "c", NULL), 0);
    CHECK_EQ(bough_exit_stack_run(&st, early, 5), -ENOENT);
    CHECK_EQ(b.saw, 5);
    CHECK_STR(log_, "b");
    CHECK_EQ(bough_exit_stack_close(&st, 0), 0);
    CHECK_STR(log_, "bca");
    return 0;
}

TASK_TEST(the_innermost_manager_may_be_run_early)
{
    struct door a = {0}, b = {.cleanup = BOUGH_SEC};
    struct bough_exit_stack st;
    struct bough_exit_ticket *inner;
    bough_exit_stack_open(&st);
    CHECK_EQ(bough_exit_stack_enter(&st, door, &a, NULL, NULL), 0);
    CHECK_EQ(bough_exit_stack_enter(&st, door, &b, NULL, &inner), 0);
    CHECK_EQ(bough_exit_stack_run(&st, inner, -EIO), -EIO);
    CHECK(b.saw == -EIO && b.exited == 1 && a.exited == 0);
    CHECK_EQ(bough_exit_stack_close(&st, 0), 0);
    CHECK(a.saw == 0 && b.exited == 1);
    return 0;
}

/* --- moving --- */

TASK_TEST(all_entries_move_to_another_stack_in_order_and_tickets_stay_good)
{
    struct bough_exit_stack from, to;
    struct bough_exit_ticket *b;
    struct door d = {0};
    bough_exit_stack_open(&from);
    bough_exit_stack_open(&to);
    CHECK_EQ(bough_exit_stack_defer(&to, defer_note, "1", NULL), 0);
    CHECK_EQ(bough_exit_stack_enter(&from, door, &d, NULL, NULL), 0);
    CHECK_EQ(bough_exit_stack_defer(&from, defer_note, "a", NULL), 0);
    CHECK_EQ(bough_exit_stack_defer(&from, defer_note, "b", &b), 0);
    CHECK_EQ(bough_exit_stack_defer(&from, defer_note, "c", NULL), 0);
    bough_exit_stack_move(&from, &to);
    CHECK_EQ(bough_exit_stack_close(&from, 3), 3);
    CHECK_STR(log_, "");
    CHECK_EQ(d.exited, 0);
    bough_exit_stack_disarm(&to, b);
    CHECK_EQ(bough_exit_stack_defer(&to, defer_note, "2", NULL), 0);
    CHECK_EQ(bough_exit_stack_close(&to, 0), 0);
    CHECK_STR(log_, "2ca1");
    CHECK_EQ(d.exited, 1);
    return 0;
}

TASK_TEST(an_empty_stack_moves_nothing_and_the_old_one_stays_in_use)
{
    struct bough_exit_stack from, to;
    bough_exit_stack_open(&from);
    bough_exit_stack_open(&to);
    bough_exit_stack_move(&from, &to);
    CHECK_EQ(bough_exit_stack_defer(&from, defer_note, "a", NULL), 0);
    bough_exit_stack_move(&from, &from); /* to itself */
    CHECK_EQ(bough_exit_stack_close(&to, 0), 0);
    CHECK_STR(log_, "");
    CHECK_EQ(bough_exit_stack_close(&from, 0), 0);
    CHECK_STR(log_, "a");
    return 0;
}

/* A constructor of several parts: all of them, or none. */
static int build(struct bough_exit_stack *owner, int fails)
{
    struct bough_exit_stack st;
    int rc = 0;
    bough_exit_stack_open(&st);
    rc = bough_exit_stack_defer(&st, defer_note, "a", NULL);
    if (rc == 0)
        rc = fails;
    if (rc == 0)
        bough_exit_stack_move(&st, owner);
    return bough_exit_stack_close(&st, rc);
}

TASK_TEST(moving_is_how_a_function_hands_out_what_it_made_when_all_went_well)
{
    struct bough_exit_stack owner;
    bough_exit_stack_open(&owner);
    CHECK_EQ(build(&owner, -EIO), -EIO);
    CHECK_STR(log_, "a");
    CHECK_EQ(build(&owner, 0), 0);
    CHECK_STR(log_, "a");
    CHECK_EQ(bough_exit_stack_close(&owner, 0), 0);
    CHECK_STR(log_, "aa");
    return 0;
}

static int takes_over(void *arg)
{
    struct bough_exit_stack st;
    bough_exit_stack_open(&st);
    bough_exit_stack_move(arg, &st);
    return bough_exit_stack_close(&st, 0);
}

TASK_TEST(what_is_no_manager_may_move_to_another_task)
{
    struct bough_exit_stack st;
    int rc = 0;
    bough_exit_stack_open(&st);
    CHECK_EQ(bough_exit_stack_defer(&st, defer_note, "a", NULL), 0);
    bough_with_nursery (n, &rc)
        rc = bough_nursery_start_soon(n, takes_over, &st);
    CHECK_STR(log_, "a");
    return bough_exit_stack_close(&st, rc);
}

/* --- faults --- */

static int use_a_stack(__attribute__((unused)) void *arg)
{
    struct door doors[3] = {{.setup = 1, .cleanup = 1}, {.cleanup = 1}, {.breaks_after = 100}};
    struct bough_exit_stack st;
    int rc = 0;
    struct step last = {'l', 1, 77};
    *log_ = '\0';
    bough_exit_stack_open(&st);
    rc = bough_exit_stack_push(&st, step, &last, NULL);
    bool pushed = rc == 0;
    for (int i = 0; i < 3 && rc == 0; i++)
        rc = bough_exit_stack_enter(&st, door, &doors[i], NULL, NULL);
    if (rc == 0)
        rc = use(&doors[2], 10);
    int before = rc;
    rc = bough_exit_stack_close(&st, rc);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(doors[i].exited, doors[i].entered);
    CHECK_EQ(last.saw == 77, !pushed);
    CHECK(before >= 0 || rc == before);
    return rc;
}

TEST(without_memory_for_an_entry_it_is_not_entered_and_the_rest_is_run)
{
    CHECK(bough_test_faults(BOUGH_FAULT_MEMORY, use_a_stack, NULL) > 6);
}

TEST(whatever_the_order_all_entries_are_run)
{
    CHECK_EQ(bough_test_seeds(200, use_a_stack, NULL), 0);
}

TEST(wherever_it_is_cancelled_all_entries_are_run)
{
    CHECK_CANCELS(use_a_stack, NULL, 7);
}

/* --- misuse --- */

TEST_PANICS(a_manager_cannot_be_disarmed, "cannot be disarmed: it has to be exited")
{
    struct bough_exit_stack st;
    struct bough_exit_ticket *ticket;
    struct door d[1] = {{0}};
    panic_says("a manager (door, entered at ");
    bough_exit_stack_open(&st);
    CHECK_EQ(bough_exit_stack_enter(&st, door, &d[0], NULL, &ticket), 0);
    bough_exit_stack_disarm(&st, ticket);
    return 0;
}

TEST_PANICS(a_manager_cannot_be_run_when_it_is_not_innermost, "managers are exited out of order")
{
    struct bough_exit_stack st;
    struct bough_exit_ticket *ticket;
    struct door d[2] = {{0}};
    bough_exit_stack_open(&st);
    CHECK_EQ(bough_exit_stack_enter(&st, door, &d[0], NULL, &ticket), 0);
    CHECK_EQ(bough_exit_stack_enter(&st, door, &d[1], NULL, NULL), 0);
    return bough_exit_stack_run(&st, ticket, 0);
}

static int close_it(void *arg)
{
    return bough_exit_stack_close(arg, 0);
}

TEST_PANICS(closing_it_in_another_task_panics,
            "an exit stack that task main opened is closed by task close_it")
{
    struct bough_exit_stack st;
    int rc = 0;
    bough_exit_stack_open(&st);
    bough_with_nursery (n, &rc)
        rc = bough_nursery_start_soon(n, close_it, &st);
    return rc;
}

TEST_PANICS(a_manager_that_was_moved_to_another_task_cannot_be_exited_there,
            "is exited by task takes_over")
{
    struct bough_exit_stack st;
    struct door d = {0};
    int rc = 0;
    panic_says("entered at ");
    bough_exit_stack_open(&st);
    CHECK_EQ(bough_exit_stack_enter(&st, door, &d, NULL, NULL), 0);
    bough_with_nursery (n, &rc)
        rc = bough_nursery_start_soon(n, takes_over, &st);
    return rc;
}

TEST_PANICS(closing_it_twice_panics, "bough_exit_stack_close: the stack is not open")
{
    struct bough_exit_stack st;
    bough_exit_stack_open(&st);
    CHECK_EQ(bough_exit_stack_close(&st, 0), 0);
    return bough_exit_stack_close(&st, 0);
}

TEST_PANICS(adding_to_a_closed_one_panics, "bough_exit_stack_defer: the stack is not open")
{
    struct bough_exit_stack st;
    bough_exit_stack_open(&st);
    CHECK_EQ(bough_exit_stack_close(&st, 0), 0);
    return bough_exit_stack_defer(&st, defer_note, "a", NULL);
}
