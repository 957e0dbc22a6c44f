/* A downloader: some files at once, with a progress bar. What breaks is tried again, each time
 * after a longer pause, and goes on where it broke off if the server can do that and still has the
 * same file (Range, If-Range); otherwise it begins anew. Files appear under their names when they
 * are whole, over what had that name before. No half ones stay, whatever happens, Ctrl-C and
 * SIGTERM included; only SIGKILL leaves a NAME.part, to be removed by hand: it could be another
 * download's.
 *
 *     ./download [-j N] [-p] URL ...         -p: show progress even if nobody is looking
 * SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bough.h>
#include <bough/curl.h>
#include <curl/curl.h>

#define PAUSE_FIRST (200 * BOUGH_MS)
#define PAUSE_MOST (10 * BOUGH_SEC)
enum { ATTEMPTS = 6, FILES_MOST = 1000, BAR = 30, STALLED = 20 /* seconds */ };

struct download {
    struct bough_curl *curl;
    const char *url;
    char name[256], part[256 + 8];
    char etag[256], tag[256]; /* of what we have; of this answer; "" if there is none */
    CURL *easy;
    int fd;
    curl_off_t have, total; /* bytes; total is 0 until it is known */
    curl_off_t from;        /* where this answer says that it begins; < 0: it does not say */
    bool begun;             /* this attempt has had its first bytes */
    int write_error;        /* an errno; 0: none */
    int attempts, rc;
};

struct downloads {
    struct download files[FILES_MOST];
    unsigned count, done, failed, at_once;
    bool progress;
    char **urls;
    struct bough_curl *curl;
    struct bough_scope *scope; /* around all of them */
    int stopped_by;            /* the signal; 0: none */
};

/* --- what curl calls; none of it may wait for a task --- */

/* The answer to a range is the rest (206), or all of it (200): then it is another file by now, or
 * the server does not know ranges. A rest may begin before what was asked for, but not behind it:
 * false. */
static bool begin(struct download *d)
{
    long status = 0;
    curl_off_t size = 0;
    d->begun = true;
    memcpy(d->etag, d->tag, sizeof(d->etag));
    curl_easy_getinfo(d->easy, CURLINFO_RESPONSE_CODE, &status);
    if (status != 206)
        d->have = 0;
    else if (d->from > d->have)
        return false;
    else if (d->from >= 0)
        d->have = d->from;
    curl_easy_getinfo(d->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &size);
    d->total = size > 0 ? d->have + size : 0;
    return true;
}

static size_t cannot_write(struct download *d, int error)
{
    d->write_error = error;
    return 0;
}

static size_t take(char *data, size_t one, size_t size, void *arg)
{
    struct download *d = arg;
    size *= one;
    if (!d->begun) {
        if (!begin(d))
            return cannot_write(d, EPROTO);
        if (ftruncate(d->fd, d->have) < 0)
            return cannot_write(d, errno);
    }
    ssize_t n = pwrite(d->fd, data, size, d->have);
    if (n < 0 || (size_t)n < size)
        return cannot_write(d, n < 0 ? errno : ENOSPC);
    d->have += n;
    return size;
}

/* Of the last answer, after redirects. A weak tag (W/"...") does not promise the same bytes. */
static size_t look_at_header(char *line, size_t one, size_t size, void *arg)
{
    struct download *d = arg;
    size *= one;
    if (size >= 5 && strncmp(line, "HTTP/", 5) == 0)
        d->tag[0] = '\0', d->from = -1;
    if (size > 21 && strncasecmp(line, "Content-Range: bytes ", 21) == 0)
        d->from = strtoll(line + 21, NULL, 10);
    if (size < 5 || size - 5 >= sizeof(d->tag) || strncasecmp(line, "ETag:", 5) != 0)
        return size;
    size_t start = 5, end = size;
    while (start < end && line[start] == ' ')
        start++;
    while (end > start && strchr(" \r\n", line[end - 1]))
        end--;
    if (start < end && line[start] == '"')
        snprintf(d->tag, sizeof(d->tag), "%.*s", (int)(end - start), line + start);
    return size;
}

/* --- one attempt --- */

static int attempt(struct download *d)
{
    char range[32], tag[sizeof(d->etag) + 16];
    struct curl_slist *headers = NULL;
    bool resume = d->have > 0 && d->etag[0];
    snprintf(range, sizeof(range), "%lld-", (long long)d->have);
    snprintf(tag, sizeof(tag), "If-Range: %s", d->etag);
    if (resume)
        headers = curl_slist_append(NULL, tag);
    curl_easy_setopt(d->easy, CURLOPT_RANGE, headers ? range : NULL);
    curl_easy_setopt(d->easy, CURLOPT_HTTPHEADER, headers);
    d->begun = false;
    d->from = -1;
    int rc = bough_curl_perform(d->curl, d->easy);
    if (rc == 0 && !d->begun && ftruncate(d->fd, 0) < 0) /* an empty file */
        rc = -EIO, d->write_error = errno;
    if (rc < 0 && rc != -ECANCELED && d->write_error)
        rc = bough_fail(-d->write_error, "cannot write %s: %s", d->part, strerror(d->write_error));
    curl_easy_setopt(d->easy, CURLOPT_HTTPHEADER, NULL);
    curl_slist_free_all(headers);
    return rc;
}

static bool may_pass(struct download *d, int rc)
{
    long status = 0;
    curl_easy_getinfo(d->easy, CURLINFO_RESPONSE_CODE, &status);
    if (status == 416) /* there is nothing behind what we have: so that cannot be right */
        d->have = 0;
    switch (rc) {
    case -EREMOTEIO:
        return status >= 500 || status == 416 || status == 408 || status == 429;
    case -EPIPE:
    case -ETIMEDOUT:
    case -ECONNREFUSED:
    case -EHOSTUNREACH:
    case -ENETUNREACH:
        return true;
    default:
        return false;
    }
}

/* Double each time, and a random part of it, so that not all come back at the same moment. */
static int64_t pause_before(int attempts)
{
    int64_t pause = PAUSE_FIRST << (attempts - 1);
    pause = pause < PAUSE_MOST ? pause : PAUSE_MOST;
    return pause / 2 + random() % (pause / 2);
}

static int try_until_it_works(struct download *d)
{
    for (;;) {
        int rc = attempt(d);
        if (rc == 0 || ++d->attempts == ATTEMPTS || !may_pass(d, rc))
            return rc;
        rc = bough_sleep(pause_before(d->attempts));
        if (rc < 0)
            return rc;
    }
}

/* --- one file --- */

static int fetch(struct download *d)
{
    d->easy = curl_easy_init();
    if (!d->easy)
        return -ENOMEM;
    curl_easy_setopt(d->easy, CURLOPT_URL, d->url);
    curl_easy_setopt(d->easy, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(d->easy, CURLOPT_WRITEDATA, d);
    curl_easy_setopt(d->easy, CURLOPT_HEADERFUNCTION, look_at_header);
    curl_easy_setopt(d->easy, CURLOPT_HEADERDATA, d);
    curl_easy_setopt(d->easy, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(d->easy, CURLOPT_FAILONERROR, 1L);
    curl_easy_setopt(d->easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(d->easy, CURLOPT_LOW_SPEED_TIME, (long)STALLED);
    int rc = try_until_it_works(d);
    curl_easy_cleanup(d->easy);
    return rc;
}

static int fetch_into_file(struct download *d)
{
    d->fd = open(d->part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (d->fd < 0)
        return bough_fail(-errno, "cannot make %s: %s", d->part, strerror(errno));
    int rc = fetch(d);
    if (close(d->fd) < 0 && rc == 0)
        rc = bough_fail(-errno, "cannot write %s: %s", d->part, strerror(errno));
    if (rc == 0 && rename(d->part, d->name) < 0)
        rc = bough_fail(-errno, "cannot rename %s: %s", d->part, strerror(errno));
    if (rc < 0)
        unlink(d->part);
    return rc;
}

struct job {
    struct downloads *all;
    struct download *file;
};

static void tell(const struct downloads *all, const struct download *d)
{
    if (all->progress)
        fprintf(stderr, "\r\033[K"); /* the bar comes again below it */
    if (d->rc < 0)
        fprintf(stderr, "%s: %s\n", d->name,
                bough_error_message(bough_error_find(bough_error_last(), d->rc)));
    else
        printf("%s: %lld bytes, attempt %d\n", d->name, (long long)d->have, d->attempts + 1);
    fflush(stdout);
}

/* One that fails is no reason to stop the others. */
static int job(void *arg)
{
    struct job *job = arg;
    int rc = job->file->rc = fetch_into_file(job->file);
    if (rc == -ECANCELED)
        return rc;
    job->all->done++;
    job->all->failed += rc < 0;
    tell(job->all, job->file);
    return 0;
}

/* --- all of them --- */

static void draw(const struct downloads *all)
{
    char bar[BAR + 1] = "";
    double done = 0, bytes = 0;
    unsigned files = 0;
    for (; files < all->count; files++) {
        const struct download *d = &all->files[files];
        done += d->total > 0 ? (double)d->have / (double)d->total : 0;
        bytes += (double)d->have;
    }
    int filled = (int)(done * BAR / files);
    memset(bar, '-', BAR);
    memset(bar, '#', (size_t)(filled < BAR ? filled : BAR));
    fprintf(stderr, "\r[%s] %u/%u files, %.1f MB\033[K", bar, all->done, files, bytes / 1e6);
}

static int show_progress(void *arg)
{
    struct bough_periodic tick = {.period = 100 * BOUGH_MS};
    int rc;
    while ((rc = bough_periodic_next(&tick)) >= 0)
        draw(arg);
    return rc;
}

/* The last part of the path; what a server might smuggle in ("..") is none of it. */
static bool name_from_url(struct download *d)
{
    size_t end = strcspn(d->url, "?#"), start = end;
    while (start > 0 && d->url[start - 1] != '/')
        start--;
    int length = (int)(end - start);
    if (length == 0 || length > 250 || d->url[start] == '.')
        return false;
    snprintf(d->name, sizeof(d->name), "%.*s", length, d->url + start);
    snprintf(d->part, sizeof(d->part), "%.*s.part", length, d->url + start);
    return true;
}

/* Before anything is fetched. One file shall not replace another of the same download. */
static int add(struct downloads *all, const char *url)
{
    if (all->count == FILES_MOST)
        return bough_fail(-E2BIG, "more than %d files", FILES_MOST);
    struct download *d = &all->files[all->count];
    *d = (struct download){.curl = all->curl, .url = url};
    if (!name_from_url(d))
        return bough_fail(-EINVAL, "%s: that is no name for a file", url);
    for (unsigned i = 0; i < all->count; i++)
        if (strcmp(all->files[i].name, d->name) == 0)
            return bough_fail(-EEXIST, "%s and %s: both would be %s", all->files[i].url, url,
                              d->name);
    all->count++;
    return 0;
}

static int wait_for_signals(void *arg)
{
    struct downloads *all = arg;
    int rc = 0;
    bough_with_signals (signals, &rc, SIGINT, SIGTERM) {
        rc = bough_signals_receive(signals);
        if (rc > 0) {
            all->stopped_by = rc;
            bough_scope_cancel(all->scope, "%s", bough_signal_name(rc));
        }
    }
    return rc;
}

/* Waits while as many run as may. */
static int start_all(struct bough_nursery *n, struct downloads *all)
{
    int rc = bough_nursery_start_service(n, wait_for_signals, all);
    if (rc == 0 && all->progress)
        rc = bough_nursery_start_service(n, show_progress, all);
    for (unsigned i = 0; i < all->count && rc == 0; i++)
        rc = BOUGH_START(n, job, struct job, .all = all, .file = &all->files[i]);
    return rc;
}

static int fetch_all(struct downloads *all)
{
    int rc = 0;
    bough_with_nursery (n, &rc, .limit = all->at_once) {
        all->scope = bough_nursery_scope(n);
        rc = start_all(n, all);
    }
    if (all->progress) {
        draw(all);
        fprintf(stderr, "\n");
    }
    return rc;
}

static int download_all(void *arg)
{
    struct downloads *all = arg;
    int rc = bough_curl_open(&all->curl);
    if (rc < 0)
        return rc;
    for (char **url = all->urls; *url && rc == 0; url++)
        rc = add(all, *url);
    if (rc == 0)
        rc = fetch_all(all);
    bough_curl_close(all->curl);
    return rc;
}

int main(int argc, char **argv)
{
    static struct downloads all = {.at_once = 4};
    int option;
    bool valid = true;
    all.progress = isatty(STDERR_FILENO);
    while ((option = getopt(argc, argv, "j:p")) != -1) {
        if (option == 'j')
            all.at_once = (unsigned)strtoul(optarg, NULL, 10);
        all.progress |= option == 'p';
        valid &= option != '?';
    }
    all.urls = argv + optind;
    if (!valid || !*all.urls || all.at_once == 0) {
        fprintf(stderr, "usage: %s [-j N] [-p] URL ...\n", argv[0]);
        return 2;
    }
    srandom((unsigned)getpid());
    int rc = bough_run(download_all, &all);
    if (all.stopped_by)
        return 128 + all.stopped_by;
    if (rc < 0)
        bough_error_print(bough_error_last(), stderr);
    return rc < 0 || all.failed;
}
