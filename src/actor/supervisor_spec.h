/* What is asked for, checked and copied.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "actor/supervisor.h"

/* Put the defaults in. 0, -EINVAL. */
BOUGH_MUST_CHECK int spec_options(const struct bough_supervisor_options *given,
                                  struct bough_supervisor_options *ret_options);

/* Can 'sv' have such a child? 0, -EINVAL, -EEXIST. */
BOUGH_MUST_CHECK int spec_check(const struct bough_supervisor *sv,
                                const struct bough_child_spec *spec);

/* Copy it, with all that it points at but the argument of a task. 0, -ENOMEM. */
BOUGH_MUST_CHECK int spec_copy(struct child *c, const struct bough_child_spec *spec);
