/* The HTTP that our servers speak: whatever is asked, the answer is the same kilobyte. */
#ifndef ANSWER_H
#define ANSWER_H

#include <stddef.h>
#include <stdint.h>

enum { ANSWER_BODY = 1024, ANSWER_BACKLOG = 4096 };

/* Where a connection is in its stream of requests. Starts as {0}. */
struct requests {
    unsigned matched; /* so many bytes of the empty line that ends a request */
};

/* How many requests end in these bytes. */
unsigned requests_in(struct requests *self, const char *bytes, size_t count);

/* The answer, complete; the same for all, and not to be changed. */
const char *answer(void);
size_t answer_size(void);

/* Prepares the process: as many descriptors as it may have, an orderly end by SIGTERM (at once, exit 0). */
void server_begin(void);

/* Says on which port it listens. */
void server_announce(int port);

/* A socket that listens on a free port of the loopback interface, for servers without a runtime. */
int server_listen(int flags);
int server_port(int listener);

#endif
