/* Buffers for the kernel to receive into.
 * SPDX-License-Identifier: MIT */
#include "io/ring_buffers.h"

#include <unistd.h>

#include "base/sys.h"

void bough__ring_buffers_give_back(struct ring_buffers *b, unsigned id)
{
    io_uring_buf_ring_add(b->ring, ring_buffer_bytes(b, id), RING_BUFFER_SIZE, (unsigned short)id,
                          io_uring_buf_ring_mask(RING_BUFFERS_MOST), 0);
    io_uring_buf_ring_advance(b->ring, 1);
}

static void provide_up_to(struct ring_buffers *b, unsigned count)
{
    while (b->count < count)
        bough__ring_buffers_give_back(b, b->count++);
}

/* The kernel wants whole pages. */
static void *allocate_ring(void)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t size = RING_BUFFERS_MOST * sizeof(struct io_uring_buf);
    if (sys_fails(SYS_FAULT_MEMORY))
        return NULL;
    return aligned_alloc(page, (size + page - 1) / page * page);
}

static int allocate(struct ring_buffers *b)
{
    b->ring = allocate_ring();
    b->bytes = sys_malloc((size_t)RING_BUFFERS_MOST * RING_BUFFER_SIZE);
    b->table = sys_malloc(RING_BUFFERS_MOST * sizeof(*b->table));
    return b->ring && b->bytes && b->table ? 0 : -ENOMEM;
}

static int open_group(struct ring_buffers *b, struct ring *r)
{
    struct io_uring_buf_reg group = {
        .ring_addr = (uintptr_t)b->ring, .ring_entries = RING_BUFFERS_MOST, .bgid = RING_GROUP};
    io_uring_buf_ring_init(b->ring);
    return sys_fails(SYS_FAULT_CALL) ? -ENOMEM : io_uring_register_buf_ring(&r->kernel, &group, 0);
}

int bough__ring_buffers_open(struct ring_buffers *b, struct ring *r)
{
    if (b->ring)
        return 0;
    int rc = allocate(b);
    if (rc == 0)
        rc = open_group(b, r);
    if (rc < 0) {
        bough__ring_buffers_close(b);
        return rc;
    }
    provide_up_to(b, RING_BUFFERS_FIRST);
    return 0;
}

void bough__ring_buffers_close(struct ring_buffers *b)
{
    free(b->ring);
    free(b->bytes);
    free(b->table);
    *b = (struct ring_buffers){0};
}

void bough__ring_buffers_more(struct ring_buffers *b)
{
    provide_up_to(b, 2 * b->count < RING_BUFFERS_MOST ? 2 * b->count : RING_BUFFERS_MOST);
}

bool bough__ring_buffers_left(struct ring_buffers *b)
{
    if (b->taken == b->count)
        bough__ring_buffers_more(b);
    return b->taken < b->count;
}
