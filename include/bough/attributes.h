/* What every public header needs: attributes under names that say what they
 * promise, and the marks that make declarations C++-clean and visible.
 * SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Ignoring the result is a warning; write (void) to ignore it on purpose. First in a declaration.
 * (For gcc the old attribute would not accept the cast.) */
#if defined(__cplusplus)
#define BOUGH_MUST_CHECK [[nodiscard]]
#elif defined(__GNUC__) && !defined(__clang__)
#define BOUGH_MUST_CHECK __extension__ [[nodiscard]]
#else
#define BOUGH_MUST_CHECK __attribute__((warn_unused_result))
#endif
/* Argument number 'string' is a printf format; its values start at 'first'. */
#define BOUGH_PRINTF(string, first) __attribute__((format(printf, string, first)))
#define BOUGH_NORETURN __attribute__((noreturn))
/* Runs seldom: keep it out of the way of what runs always. */
#define BOUGH_COLD __attribute__((cold, noinline))
#define BOUGH_ALWAYS_INLINE inline __attribute__((always_inline))
#define BOUGH_CLEANUP(fn) __attribute__((cleanup(fn)))
#define BOUGH_LIKELY(x) __builtin_expect(!!(x), 1)
#define BOUGH_UNLIKELY(x) __builtin_expect(!!(x), 0)

/* A name of our own for each use of a macro, also for two in one line. */
#define BOUGH_PASTE_(a, b) a##b
#define BOUGH_PASTE(a, b) BOUGH_PASTE_(a, b)
#define BOUGH_UNIQUE(name) BOUGH_PASTE(bough_##name##_, __COUNTER__)

/* Around the declarations of a header. In C++ a function hides the struct of its name (as stat()
 * does), and some compilers would warn of it. */
#ifdef __cplusplus
#define BOUGH_BEGIN_DECLS                                                                          \
    _Pragma("GCC diagnostic push") _Pragma("GCC diagnostic ignored \"-Wshadow\"")                  \
        _Pragma("GCC visibility push(default)") extern "C"                                         \
    {
#define BOUGH_END_DECLS                                                                            \
    }                                                                                              \
    _Pragma("GCC visibility pop") _Pragma("GCC diagnostic pop")
#else
#define BOUGH_BEGIN_DECLS _Pragma("GCC visibility push(default)")
#define BOUGH_END_DECLS _Pragma("GCC visibility pop")
#endif

BOUGH_BEGIN_DECLS

/* Where something was written: the macro forms of calls leave one behind, so
 * that panics, errors and the task tree can name the place. Static storage. */
struct bough_site {
    const char *what; /* the function's name, or the kind of block */
    const char *file;
    int line;
};

/* A pointer to a static site for the line it stands on. */
#define BOUGH_SITE(text)                                                                           \
    (__extension__({                                                                               \
        static const struct bough_site bough_site_ = {text, __FILE__, __LINE__};                   \
        &bough_site_;                                                                              \
    }))

BOUGH_END_DECLS
