/* Failures of c-ares, as results.
 * SPDX-License-Identifier: MIT */
#include "ares/code.h"

#include <ares.h>

#include "bough/error.h"

static int result_of(int status)
{
    switch (status) {
    case ARES_ENOTFOUND:
    case ARES_ENODATA:
    case ARES_ENONAME:
        return -ENOENT;
    /* Servers that refuse or fail are gone past; what is said when there are no more of them
     * depends on the version. */
    case ARES_ECONNREFUSED:
    case ARES_ETIMEOUT:
    case ARES_ESERVFAIL:
    case ARES_EREFUSED:
    case ARES_ENOTIMP:
        return -EHOSTUNREACH;
    case ARES_EBADRESP:
    case ARES_EFORMERR:
        return -EPROTO;
    case ARES_EBADNAME:
    case ARES_EBADSTR:
    case ARES_EBADQUERY:
        return -EINVAL;
    case ARES_ENOMEM:
        return -ENOMEM;
    default:
        return -EIO;
    }
}

int bough__ares_fail(int status, const char *name)
{
    return bough_fail(result_of(status), "cannot find %s: %s", name, ares_strerror(status));
}
