/* An io_uring, and the requests that it has.
 * SPDX-License-Identifier: MIT */
#include "io/ring.h"

#include "base/sys.h"
#include "bough/thread.h"
#include "bough/time.h"

#ifdef BOUGH_HAVE_VALGRIND_H
#include <valgrind/valgrind.h>
#else
#define RUNNING_ON_VALGRIND 0
#endif

enum { SUBMISSIONS = 256, COMPLETIONS = 4096, REQUESTS_FIRST = 64, SETTLES = 256 };

/* --- open and close --- */

/* Newer kernels do less behind our back. The last is for all. */
static const unsigned setups[] = {
    IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG |
        IORING_SETUP_SUBMIT_ALL,                                                     /* 6.1 */
    IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL, /* 5.19 */
    0,
};
enum { SETUPS = sizeof(setups) / sizeof(*setups) };

/* A ring's memory comes and goes by bare system calls, so ThreadSanitizer takes two rings that had
 * the same address one after the other, in two threads, for one. This is what comes between them:
 * taken after mapping and before unmapping. */
static void rings_in_order(void)
{
    static int order;
    __atomic_fetch_add(&order, 1, __ATOMIC_ACQ_REL);
}

int bough__ring_open(struct ring *r, bool plain)
{
    /* The last of these is for 5.13, where poll requests learned to go on. */
    const unsigned needed = IORING_FEAT_NODROP | IORING_FEAT_EXT_ARG | IORING_FEAT_RSRC_TAGS;
    /* As many threads of the kernel's as there would be of ours, of each of its two kinds. */
    unsigned workers[] = {BOUGH_THREADS, BOUGH_THREADS};
    struct io_uring_params params;
    int rc = -EINVAL;
    if (RUNNING_ON_VALGRIND) /* 3.19 lets no other thread run while one sleeps in a ring */
        return -ENOSYS;
    for (int setup = plain ? SETUPS - 1 : 0; setup < SETUPS && rc == -EINVAL; setup++) {
        params = (struct io_uring_params){.flags = setups[setup] | IORING_SETUP_CQSIZE |
                                                   IORING_SETUP_CLAMP,
                                          .cq_entries = COMPLETIONS};
        rc = sys_fails(SYS_FAULT_CALL)
                 ? -EMFILE
                 : io_uring_queue_init_params(SUBMISSIONS, &r->kernel, &params);
    }
    if (rc < 0)
        return rc == -EINVAL ? -ENOSYS : rc;
    rings_in_order();
    r->is_open = true;
    r->skips_success = params.features & IORING_FEAT_CQE_SKIP;
    (void)io_uring_register_ring_fd(&r->kernel); /* 5.18: saves the kernel a look-up in each call */
    (void)io_uring_register_iowq_max_workers(&r->kernel, workers); /* 5.15 */
    return (params.features & needed) == needed ? 0 : -ENOSYS;
}

void bough__ring_close(struct ring *r)
{
    if (r->is_open) {
        /* The kernel takes its time over what a ring still has: what was given up must be given
         * back now. */
        bough__ring_settle(r);
        rings_in_order();
        io_uring_queue_exit(&r->kernel);
    }
    free(r->requests);
}

/* --- requests --- */

struct io_uring_sqe *bough__ring_sqe(struct ring *r)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&r->kernel);
    if (BOUGH_UNLIKELY(!sqe) && !sys_fails(SYS_FAULT_CALL) && io_uring_submit(&r->kernel) >= 0)
        sqe = io_uring_get_sqe(&r->kernel);
    return sqe;
}

static int requests_grow(struct ring *r)
{
    unsigned old = r->count, count = old ? 2 * old : REQUESTS_FIRST;
    struct ring_request *requests = sys_realloc(r->requests, count * sizeof(*requests));
    if (!requests)
        return -ENOMEM;
    for (unsigned i = old ? old : ABOUT_REQUESTS; i < count; i++)
        requests[i] = (struct ring_request){.next = i + 1 < count ? i + 1 : 0};
    r->free = old ? old : ABOUT_REQUESTS;
    r->requests = requests;
    r->count = count;
    return 0;
}

unsigned bough__ring_request(struct ring *r, const struct ring_request *like,
                             struct io_uring_sqe **ret_sqe)
{
    if (sys_fails(SYS_FAULT_CALL) || (!r->free && requests_grow(r) < 0))
        return 0;
    struct io_uring_sqe *sqe = bough__ring_sqe(r);
    if (!sqe)
        return 0;
    unsigned at = r->free;
    r->free = r->requests[at].next;
    r->requests[at] = *like;
    *ret_sqe = sqe;
    return at;
}

static void make_free(struct ring *r, unsigned at)
{
    r->requests[at] = (struct ring_request){.next = r->free};
    r->free = at;
}

void bough__ring_release(struct ring *r, unsigned at)
{
    if (r->requests[at].cancelling)
        r->requests[at].over = true;
    else
        make_free(r, at);
}

/* --- cancels --- */

void bough__ring_cancel(struct ring *r, unsigned at)
{
    struct ring_request *request = &r->requests[at];
    if (request->cancelling)
        return;
    request->cancelling = true;
    request->next = r->to_cancel;
    r->to_cancel = at;
}

/* False: the kernel takes no more, and some are left. */
static bool submit_cancels(struct ring *r)
{
    while (r->to_cancel) {
        unsigned at = r->to_cancel;
        struct ring_request *request = &r->requests[at];
        struct io_uring_sqe *sqe = request->over ? NULL : bough__ring_sqe(r);
        if (!sqe && !request->over)
            return false;
        if (sqe) {
            io_uring_prep_cancel64(sqe, at, 0);
            sqe->user_data = ABOUT_NOTHING;
            sqe->flags |= r->skips_success ? IOSQE_CQE_SKIP_SUCCESS : 0;
        }
        r->to_cancel = request->next;
        request->cancelling = false;
        if (request->over)
            make_free(r, at);
    }
    return true;
}

static bool is_given_up(const struct ring *r, uint64_t at)
{
    return at >= ABOUT_REQUESTS && r->requests[at].kind != RING_OPERATION && r->requests[at].fd < 0;
}

void bough__ring_disarm(struct ring *r)
{
    const struct io_uring_sq *sq = &r->kernel.sq;
    for (unsigned i = *sq->khead; i != sq->sqe_tail; i++) {
        struct io_uring_sqe *sqe = &sq->sqes[i & *sq->kring_mask];
        if (is_given_up(r, sqe->user_data))
            sqe->fd = -1;
    }
}

/* --- the system call --- */

bool bough__ring_failure_passes(int rc)
{
    return rc == -ETIME || rc == -EINTR || rc == -EBUSY || rc == -EAGAIN || rc == -ENOMEM;
}

static bool has_nothing_to_do(const struct ring *r)
{
    unsigned flags = IO_URING_READ_ONCE(*r->kernel.sq.kflags);
    return !io_uring_sq_ready(&r->kernel) && !(flags & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW));
}

int bough__ring_enter(struct ring *r, int64_t timeout)
{
    struct io_uring_cqe *ignored;
    if (BOUGH_UNLIKELY(r->to_cancel) && !submit_cancels(r) && timeout > RING_NAP)
        timeout = RING_NAP;
    if (timeout == 0 && has_nothing_to_do(r))
        return 0;
    if (sys_fails(SYS_FAULT_CALL))
        return -EAGAIN;
    if (timeout == 0)
        return io_uring_submit_and_get_events(&r->kernel);
    struct __kernel_timespec ts = {.tv_sec = timeout / BOUGH_SEC, .tv_nsec = timeout % BOUGH_SEC};
    return io_uring_submit_and_wait_timeout(&r->kernel, &ignored, 1,
                                            timeout == BOUGH_NEVER ? NULL : &ts, NULL);
}

void bough__ring_settle(struct ring *r)
{
    int rc = bough__ring_enter(r, 0);
    /* Others may keep it busy for ever. */
    for (int i = 0; i < SETTLES && rc >= 0 && !has_nothing_to_do(r); i++)
        rc = bough__ring_enter(r, 0);
}
