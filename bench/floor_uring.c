/* The machine's limit by io_uring: a bare echo loop. One request accepts, one for each connection
 * receives into provided buffers, answers are sent by plain calls; no tasks, no errors, no limits.
 * SPDX-License-Identifier: MIT */
#include <liburing.h>

#include "listen.h"
#include "measure.h"

enum { BUFFERS = 1024, SIZE = 2048, GROUP = 0, LISTENER = 0 };

static struct io_uring ring;
static struct io_uring_buf_ring *buffers;
static char bytes[BUFFERS][SIZE];

static void provide(unsigned short id)
{
    io_uring_buf_ring_add(buffers, bytes[id], SIZE, id, io_uring_buf_ring_mask(BUFFERS), 0);
    io_uring_buf_ring_advance(buffers, 1);
}

static struct io_uring_sqe *request(void)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);
    if (sqe)
        return sqe;
    io_uring_submit(&ring);
    return io_uring_get_sqe(&ring);
}

static void accept_all(int listener)
{
    struct io_uring_sqe *sqe = request();
    io_uring_prep_multishot_accept(sqe, listener, NULL, NULL, SOCK_CLOEXEC);
    sqe->user_data = LISTENER;
}

static void receive_all(int fd)
{
    struct io_uring_sqe *sqe = request();
    io_uring_prep_recv_multishot(sqe, fd, NULL, 0, 0);
    sqe->user_data = (unsigned)fd;
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = GROUP;
}

static void received(int fd, const struct io_uring_cqe *cqe)
{
    unsigned short id = (unsigned short)(cqe->flags >> IORING_CQE_BUFFER_SHIFT);
    if (cqe->res > 0) {
        (void)!send(fd, bytes[id], (size_t)cqe->res, MSG_NOSIGNAL);
        provide(id);
    }
    if (cqe->flags & IORING_CQE_F_MORE)
        return;
    if (cqe->res > 0 || cqe->res == -ENOBUFS)
        receive_all(fd);
    else
        close(fd);
}

static void handle(int listener, const struct io_uring_cqe *cqe)
{
    if (cqe->user_data != LISTENER) {
        received((int)cqe->user_data, cqe);
        return;
    }
    if (cqe->res >= 0) {
        no_delay(cqe->res);
        receive_all(cqe->res);
    }
    if (!(cqe->flags & IORING_CQE_F_MORE))
        accept_all(listener);
}

static int setup(void)
{
    struct io_uring_params params = {.flags = IORING_SETUP_SINGLE_ISSUER |
                                              IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE,
                                     .cq_entries = 4096};
    struct io_uring_buf_reg group = {.ring_entries = BUFFERS, .bgid = GROUP};
    if (io_uring_queue_init_params(256, &ring, &params) < 0)
        return -1;
    buffers = aligned_alloc((size_t)sysconf(_SC_PAGESIZE), BUFFERS * sizeof(struct io_uring_buf));
    if (!buffers)
        return -1;
    group.ring_addr = (uintptr_t)buffers;
    io_uring_buf_ring_init(buffers);
    if (io_uring_register_buf_ring(&ring, &group, 0) < 0)
        return -1;
    for (unsigned short id = 0; id < BUFFERS; id++)
        provide(id);
    return 0;
}

static double echo(void)
{
    struct io_uring_cqe *cqe;
    unsigned head, count;
    int listener = listen_anywhere();
    if (setup() < 0) {
        fprintf(stderr, "this kernel has no such io_uring\n");
        exit(1);
    }
    accept_all(listener);
    while (io_uring_submit_and_wait(&ring, 1) >= 0) {
        count = 0;
        io_uring_for_each_cqe(&ring, head, cqe)
        {
            handle(listener, cqe);
            count++;
        }
        io_uring_cq_advance(&ring, count);
    }
    return 0;
}

static const struct measure measures[] = {{"echo", echo}, {NULL, NULL}};

int main(int argc, char **argv)
{
    return measure_main(argc, argv, measures);
}
