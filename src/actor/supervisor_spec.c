/* SPDX-License-Identifier: MIT */
#include "actor/supervisor_spec.h"

#include <string.h>

#include "base/sys.h"
#include "bough/error.h"

#define DEFAULT_PERIOD (5 * BOUGH_SEC)
#define DEFAULT_MAX BOUGH_MINUTE
enum { MOST_RESTARTS = 1000000 };

int spec_options(const struct bough_supervisor_options *given,
                 struct bough_supervisor_options *ret_options)
{
    struct bough_supervisor_options o = {0};
    if (given)
        o = *given;
    if ((unsigned)o.strategy > BOUGH_REST_FOR_ONE)
        return bough_fail(-EINVAL, "no such strategy of a supervisor: %d", (int)o.strategy);
    if ((unsigned)o.auto_shutdown > BOUGH_ALL_SIGNIFICANT)
        return bough_fail(-EINVAL, "no such auto_shutdown of a supervisor: %d",
                          (int)o.auto_shutdown);
    if (o.intensity > MOST_RESTARTS)
        return bough_fail(-EINVAL, "an intensity of %d: at most %d", o.intensity, MOST_RESTARTS);
    if (o.period < 0)
        return bough_fail_text(-EINVAL, "the period of a supervisor is negative");
    o.intensity = o.intensity == 0 ? 1 : o.intensity < 0 ? 0 : o.intensity;
    o.period = o.period ? o.period : DEFAULT_PERIOD;
    o.name = o.name ? o.name : "supervisor";
    *ret_options = o;
    return 0;
}

/* --- check --- */

static int check_backoff(const struct bough_child_spec *s)
{
    const struct bough_backoff *b = &s->backoff;
    if (b->first < 0 || b->max < 0 || b->reset_after < 0)
        return bough_fail(-EINVAL, "the backoff of child %s has a negative time", s->id);
    if (b->factor != 0 && !(b->factor >= 1 && b->factor <= 1e9))
        return bough_fail(-EINVAL, "the backoff of child %s has the factor %g: at least 1", s->id,
                          b->factor);
    if (!(b->jitter >= 0 && b->jitter <= 1))
        return bough_fail(-EINVAL, "the backoff of child %s has the jitter %g: 0 to 1", s->id,
                          b->jitter);
    return 0;
}

int spec_check(const struct bough_supervisor *sv, const struct bough_child_spec *s)
{
    struct bough_list *children = (struct bough_list *)&sv->children;
    if (!s->id || !*s->id)
        return bough_fail_text(-EINVAL, "a child without an id");
    if (!s->fn == !s->actor)
        return bough_fail(-EINVAL, "child %s is to be a task (.fn) or an actor (.actor)", s->id);
    if ((unsigned)s->restart > BOUGH_TEMPORARY)
        return bough_fail(-EINVAL, "child %s: no such restart: %d", s->id, (int)s->restart);
    if (s->significant && s->restart == BOUGH_PERMANENT)
        return bough_fail(-EINVAL, "child %s is permanent, so its end cannot be significant",
                          s->id);
    if (s->start_timeout < 0)
        return bough_fail(-EINVAL, "the start_timeout of child %s is negative", s->id);
    int rc = check_backoff(s);
    if (rc < 0)
        return rc;
    bough_list_foreach (node, children)
        if (strcmp(child_of(node)->spec.id, s->id) == 0)
            return bough_fail(-EEXIST, "there is a child %s already", s->id);
    return 0;
}

/* --- copy ---
 *
 * Into one allocation: first it is walked to measure, with nowhere to copy to, then to copy. */

struct copier {
    char *to; /* NULL: measure */
    size_t size;
};

static const void *copy(struct copier *copier, const void *from, size_t size, size_t align)
{
    if (!from)
        return NULL;
    copier->size = (copier->size + align - 1) & ~(align - 1);
    char *at = copier->to ? copier->to + copier->size : NULL;
    copier->size += size;
    return at && size ? memcpy(at, from, size) : at;
}

static const char *copy_text(struct copier *copier, const char *text)
{
    return text ? copy(copier, text, strlen(text) + 1, 1) : NULL;
}

static const char *const *copy_env(struct copier *copier, const char *const *env)
{
    size_t count = 0;
    while (env && env[count])
        count++;
    const char **ours = (const char **)copy(copier, env, (count + 1) * sizeof(*env), sizeof(*env));
    for (size_t i = 0; i < count; i++) {
        const char *text = copy_text(copier, env[i]);
        if (ours)
            ours[i] = text;
    }
    return ours;
}

static void copy_all(struct copier *copier, struct child *c, const struct bough_child_spec *s)
{
    c->spec = *s;
    c->spec.id = copy_text(copier, s->id);
    if (!s->actor)
        return;
    c->actor_spec = *s->actor;
    c->spec.actor = &c->actor_spec;
    c->actor_spec.type = copy_text(copier, s->actor->type);
    c->actor_spec.name = copy_text(copier, s->actor->name);
    c->actor_spec.program = copy_text(copier, s->actor->program);
    c->actor_spec.argument.data = copy(copier, s->actor->argument.data, s->actor->argument.size, 1);
    c->actor_spec.env = copy_env(copier, s->actor->env);
    c->actor_spec.grace = s->shutdown;
    c->actor_spec.may_fail = true;
}

int spec_copy(struct child *c, const struct bough_child_spec *spec)
{
    struct copier copier = {0};
    copy_all(&copier, c, spec);
    copier.to = c->texts = sys_malloc(copier.size);
    if (!copier.to)
        return bough_fail_text(-ENOMEM, "no memory for a child");
    copier.size = 0;
    copy_all(&copier, c, spec);
    if (!c->spec.backoff.max)
        c->spec.backoff.max = DEFAULT_MAX;
    if (c->spec.backoff.factor == 0)
        c->spec.backoff.factor = 2;
    if (!c->spec.backoff.reset_after)
        c->spec.backoff.reset_after = c->sv->options.period;
    return 0;
}
