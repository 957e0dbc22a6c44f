/* The watchdog: an instrument that notes who runs, and a thread that looks at the note.
 *
 * The thread sees only a counter and a pointer to a site, which is static, so there is nothing that
 * could go away under it.
 * SPDX-License-Identifier: MIT */
#include "bough/watchdog.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <time.h>

#include "base/sys.h"
#include "bough/error.h"

static struct bough_watchdog *dog_of(struct bough_instrument *self)
{
    return bough_container_of(self, struct bough_watchdog, instrument);
}

/* --- in the run --- */

static void note(struct bough_watchdog *dog, const struct bough_site *site)
{
    __atomic_store_n(&dog->running, site, __ATOMIC_RELAXED);
    __atomic_store_n(&dog->turn, dog->turn + 1, __ATOMIC_RELEASE); /* only the run writes it */
}

static void on_resumed(struct bough_instrument *self, struct bough_task *task)
{
    note(dog_of(self), bough_task_site(task));
}

static void on_sleep(struct bough_instrument *self, int64_t deadline)
{
    (void)deadline;
    note(dog_of(self), NULL);
}

/* --- in the thread --- */

static void print(const struct bough_site *site, int64_t held)
{
    fprintf(stderr, "bough: task %s (%s:%d) has not let others run for %" PRId64 " ms\n",
            site->what, site->file, site->line, held / BOUGH_MS);
}

static int64_t real_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * BOUGH_SEC + now.tv_nsec;
}

/* Sleep for a quarter of the limit; true: it is time to stop. */
static bool rest(struct bough_watchdog *dog)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    int64_t at = until.tv_sec * BOUGH_SEC + until.tv_nsec + dog->limit / 4;
    until = (struct timespec){.tv_sec = at / BOUGH_SEC, .tv_nsec = at % BOUGH_SEC};
    pthread_mutex_lock(&dog->mutex);
    if (!dog->stop)
        (void)pthread_cond_timedwait(&dog->stopped, &dog->mutex, &until);
    bool stop = dog->stop;
    pthread_mutex_unlock(&dog->mutex);
    return stop;
}

static void *watch(void *arg)
{
    struct bough_watchdog *dog = arg;
    uint64_t turn = 0;
    int64_t since = real_now();
    bool told = false;
    while (!rest(dog)) {
        uint64_t now_turn = __atomic_load_n(&dog->turn, __ATOMIC_ACQUIRE);
        const struct bough_site *site = __atomic_load_n(&dog->running, __ATOMIC_RELAXED);
        int64_t now = real_now();
        if (now_turn != turn) {
            turn = now_turn;
            since = now;
            told = false;
        } else if (site && !told && now - since >= dog->limit) {
            told = true;
            dog->report(site, now - since);
        }
    }
    return NULL;
}

/* --- start and stop --- */

static int start_thread(struct bough_watchdog *dog)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = sys_fails(SYS_FAULT_CALL) ? EAGAIN : pthread_create(&dog->thread, NULL, watch, dog);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return -rc;
}

static void init_monotonic(pthread_cond_t *cond)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &attr);
    pthread_condattr_destroy(&attr);
}

int bough_watchdog_start(struct bough_watchdog *dog, int64_t limit, bough_watchdog_fn *report)
{
    if (limit < BOUGH_MS)
        return bough_fail_text(-EINVAL, "a watchdog's limit is a millisecond at least");
    *dog = (struct bough_watchdog){
        .instrument = {.task_resumed = on_resumed, .before_io_wait = on_sleep},
        .report = report ? report : print,
        .limit = limit,
        .running = bough_task_site(NULL),
    };
    pthread_mutex_init(&dog->mutex, NULL);
    init_monotonic(&dog->stopped);
    int rc = start_thread(dog);
    if (rc < 0) {
        pthread_cond_destroy(&dog->stopped);
        pthread_mutex_destroy(&dog->mutex);
        return bough_fail_text(rc, "no thread for a watchdog");
    }
    bough_instrument_add(&dog->instrument);
    return 0;
}

void bough_watchdog_stop(struct bough_watchdog *dog)
{
    bough_instrument_remove(&dog->instrument);
    pthread_mutex_lock(&dog->mutex);
    dog->stop = true;
    pthread_cond_signal(&dog->stopped);
    pthread_mutex_unlock(&dog->mutex);
    pthread_join(dog->thread, NULL);
    pthread_cond_destroy(&dog->stopped);
    pthread_mutex_destroy(&dog->mutex);
}
