/* SPDX-License-Identifier: MIT */
#include "core/order.h"

/* splitmix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", OOPSLA 2014).
 */
static uint64_t draw(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* One riffle backwards: give each task a random bit, and put the zeros before the ones. Returns how
 * many tasks there are. */
static size_t riffle(struct run *run)
{
    struct bough_task *piles[2] = {NULL, NULL}, **ends[2] = {&piles[0], &piles[1]};
    uint64_t bits = 0;
    size_t count = 0;
    for (struct bough_task *task = run->batch; task; task = task->ready_next, count++) {
        if (count % 64 == 0)
            bits = draw(&run->random);
        int pile = (int)(bits & 1);
        bits >>= 1;
        *ends[pile] = task;
        ends[pile] = &task->ready_next;
    }
    *ends[1] = NULL;
    *ends[0] = piles[1];
    run->batch = piles[0];
    return count;
}

/* Two riffles for each doubling of the number make every order possible and about equally likely
 * (Bayer, Diaconis: "Trailing the dovetail shuffle to its lair", 1992), in place and without
 * memory. */
void order_shuffle(struct run *run)
{
    size_t count = riffle(run);
    for (size_t n = count; n > 1; n /= 2) {
        (void)riffle(run);
        (void)riffle(run);
    }
}
