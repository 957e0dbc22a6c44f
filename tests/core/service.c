/* Services: tasks that end after those they serve.
 * SPDX-License-Identifier: MIT */
#include "../harness.h"

static int sleep_for(void *arg)
{
    return bough_sleep(*(int64_t *)arg);
}

struct service {
    int64_t ended_at;
    int rc;      /* what its sleep returned */
    int code;    /* what it ends with; 0: what its sleep returned */
    int *served; /* how many were done when it ended */
    int seen;
};

static int serve(void *arg)
{
    struct service *s = arg;
    s->rc = bough_sleep_forever();
    s->ended_at = bough_now();
    if (s->served)
        s->seen = *s->served;
    return s->code < 0 ? bough_fail(s->code, "the service") : s->rc;
}

static int fail_later(void *arg)
{
    int rc = bough_sleep(*(int64_t *)arg);
    return rc < 0 ? rc : bough_fail(-EIO, "too bad");
}

TASK_TEST(a_service_is_cancelled_when_the_body_and_the_children_have_ended)
{
    int rc = 0;
    int64_t time = 5 * BOUGH_SEC;
    struct service s = {.rc = 1};
    bough_with_nursery (n, &rc) {
        CHECK_EQ(bough_nursery_start_service(n, serve, &s), 0);
        CHECK_EQ(bough_nursery_start_soon(n, sleep_for, &time), 0);
        rc = bough_sleep(BOUGH_SEC);
        CHECK_EQ(bough_nursery_count(n), 2);
    }
    CHECK_EQ(s.rc, -ECANCELED);
    CHECK_EQ(s.ended_at, 5 * BOUGH_SEC);
    CHECK_EQ(rc, 0);
    return bough_checkpoint();
}

TASK_TEST(it_is_cancelled_after_the_body_when_there_are_no_children)
{
    int rc = 0;
    struct service s = {.rc = 1};
    bough_with_nursery (n, &rc) {
        CHECK_EQ(bough_nursery_start_service(n, serve, &s), 0);
        rc = bough_sleep(BOUGH_SEC);
        rc = 9;
    }
    CHECK_EQ(rc, 9);
    CHECK_EQ(s.ended_at, BOUGH_SEC);
    return 0;
}

TASK_TEST(a_service_that_has_not_begun_runs_to_its_first_checkpoint)
{
    int rc = 0;
    struct service s = {.rc = 1};
    bough_with_nursery (n, &rc)
        CHECK_EQ(bough_nursery_start_service(n, serve, &s), 0);
    CHECK_EQ(s.rc, -ECANCELED);
    return rc;
}

static int use_service_in_cleanup(void *arg)
{
    int rc = bough_sleep_forever();
    bough_shielded (BOUGH_NEVER, &rc)
        (void)bough_sleep(3 * BOUGH_SEC);
    ++*(int *)arg;
    return rc;
}

TASK_TEST(a_cancel_of_the_nursery_reaches_a_service_only_after_the_others_cleanup)
{
    int rc = 0, served = 0;
    struct service s = {.served = &served};
    bough_with_nursery (n, &rc) {
        CHECK_EQ(bough_nursery_start_service(n, serve, &s), 0);
        CHECK_EQ(bough_nursery_start_soon(n, use_service_in_cleanup, &served), 0);
        CHECK_EQ(bough_nursery_start_soon(n, use_service_in_cleanup, &served), 0);
        CHECK_EQ(bough_checkpoint(), 0);
        bough_scope_cancel(bough_nursery_scope(n), NULL);
    }
    CHECK_EQ(rc, 0);
    CHECK_EQ(s.seen, 2);
    CHECK_EQ(s.ended_at, 3 * BOUGH_SEC);
    return 0;
}

TASK_TEST(a_cancel_from_outside_too)
{
    int rc = 0, served = 0;
    struct service s = {.served = &served};
    bough_move_on_after (BOUGH_SEC, &rc)
        bough_with_nursery (n, &rc) {
            CHECK_EQ(bough_nursery_start_service(n, serve, &s), 0);
            rc = bough_nursery_start_soon(n, use_service_in_cleanup, &served);
        }
    CHECK_EQ(rc, 0);
    CHECK_EQ(s.seen, 1);
    CHECK_EQ(s.ended_at, 4 * BOUGH_SEC);
    return 0;
}

TASK_TEST(a_failure_of_the_others_leaves_the_service_up_until_they_have_ended)
{
    int rc = 0, served = 0;
    int64_t time = BOUGH_SEC;
    struct service s = {.served = &served};
    bough_with_nursery (n, &rc) {
        CHECK_EQ(bough_nursery_start_service(n, serve, &s), 0);
        CHECK_EQ(bough_nursery_start_soon(n, use_service_in_cleanup, &served), 0);
        CHECK_EQ(bough_nursery_start_soon(n, fail_later, &time), 0);
    }
    CHECK_EQ(rc, -EIO);
    CHECK_EQ(bough_error_count(bough_error_last(), 0), 1);
    CHECK_EQ(s.seen, 1);
    return 0;
}

TASK_TEST(the_failure_of_a_service_cancels_the_nursery)
{
    int rc = 0;
    int64_t time = BOUGH_SEC;
    bough_with_nursery (n, &rc) {
        CHECK_EQ(bough_nursery_start_service(n, fail_later, &time), 0);
        CHECK_EQ(bough_sleep_forever(), -ECANCELED);
    }
    CHECK_EQ(rc, -EIO);
    CHECK_EQ(bough_now(), BOUGH_SEC);
    return 0;
}

TASK_TEST(the_failure_of_a_service_in_its_cleanup_is_kept)
{
    int rc = 0;
    struct service s = {.code = -ENOSPC};
    bough_with_nursery (n, &rc) {
        CHECK_EQ(bough_nursery_start_service(n, serve, &s), 0);
        rc = bough_checkpoint();
    }
    CHECK_EQ(rc, -ENOSPC);
    return 0;
}

TASK_TEST(services_that_fail_in_cleanup_after_an_error_join_it)
{
    int rc = 0;
    struct service s = {.code = -ENOSPC}, t = {.code = -ENOTTY};
    bough_with_nursery (n, &rc) {
        CHECK_EQ(bough_nursery_start_service(n, serve, &s), 0);
        CHECK_EQ(bough_nursery_start_service(n, serve, &t), 0);
        CHECK_EQ(bough_checkpoint(), 0);
        rc = bough_fail(-EIO, "the body");
    }
    CHECK_EQ(rc, -BOUGH_EGROUP);
    CHECK_EQ(bough_error_count(bough_error_last(), 0), 3);
    return 0;
}

TASK_TEST(a_service_that_ends_by_itself_is_just_gone)
{
    int rc = 0;
    int64_t time = BOUGH_SEC;
    bough_with_nursery (n, &rc) {
        CHECK_EQ(bough_nursery_start_service(n, sleep_for, &time), 0);
        rc = bough_sleep(2 * BOUGH_SEC);
        CHECK_EQ(bough_nursery_count(n), 0);
    }
    return rc;
}

struct late {
    struct bough_nursery *n;
    int rc;
    int64_t time;
};

static int start_when_cancelled(void *arg)
{
    struct late *late = arg;
    int rc = bough_sleep_forever();
    late->rc = bough_nursery_start_soon(late->n, sleep_for, &late->time);
    return rc;
}

TASK_TEST(when_only_services_are_left_nothing_can_be_started)
{
    int rc = 0;
    struct late late = {.time = BOUGH_SEC};
    bough_with_nursery (n, &rc) {
        late.n = n;
        rc = bough_nursery_start_service(n, start_when_cancelled, &late);
    }
    CHECK_EQ(late.rc, -EBADF);
    return rc;
}

TASK_TEST(services_do_not_count_for_the_limit)
{
    int rc = 0;
    struct service s[3] = {0};
    int64_t time = BOUGH_SEC;
    bough_with_nursery (n, &rc, .limit = 1) {
        for (int i = 0; i < 3; i++)
            CHECK_EQ(bough_nursery_start_service(n, serve, &s[i]), 0);
        CHECK_EQ(bough_nursery_start_soon(n, sleep_for, &time), 0);
        CHECK_EQ(bough_now(), 0);
    }
    CHECK_EQ(bough_now(), BOUGH_SEC);
    return rc;
}

static int cleanup_slowly(void *arg)
{
    int rc = bough_sleep_forever();
    bough_shielded (BOUGH_NEVER, &rc)
        (void)bough_sleep(*(int64_t *)arg);
    return rc;
}

TASK_TEST(close_waits_for_the_cleanup_of_services)
{
    int rc = 0;
    int64_t times[2] = {2 * BOUGH_SEC, 3 * BOUGH_SEC};
    bough_with_nursery (n, &rc) {
        CHECK_EQ(bough_nursery_start_service(n, cleanup_slowly, &times[0]), 0);
        CHECK_EQ(bough_nursery_start_service(n, cleanup_slowly, &times[1]), 0);
    }
    CHECK_EQ(bough_now(), 3 * BOUGH_SEC);
    return rc;
}
