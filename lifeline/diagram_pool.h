/* Strings that live as long as a diagram does. */
#ifndef DIAGRAM_POOL_H
#define DIAGRAM_POOL_H

#include <stdarg.h>

struct pool_block;

struct pool { /* all zero: empty */
    struct pool_block *blocks;
};

/* The formatted string, kept until pool_free. Never NULL. */
const char *pool_format(struct pool *pool, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A copy in which every byte can be shown: what is no UTF-8 or a control character (a newline too) is replaced. */
const char *pool_clean(struct pool *pool, const char *text);
const char *pool_vclean(struct pool *pool, const char *format, va_list args) __attribute__((format(printf, 2, 0)));
void pool_free(struct pool *pool);

/* Forgets all strings but keeps memory for the next ones. */
void pool_reset(struct pool *pool);

#endif
