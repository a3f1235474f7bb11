#define _GNU_SOURCE /* accept4 and its flags */
#include "answer.h"

#include "../subject.h"

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEAD "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 1024\r\n\r\n"

static char whole[sizeof HEAD - 1 + ANSWER_BODY];

unsigned requests_in(struct requests *self, const char *bytes, size_t count)
{
    static const char end[] = "\r\n\r\n";
    unsigned found = 0;

    for (size_t i = 0; i < count; i++) {
        if (bytes[i] == end[self->matched])
            self->matched++;
        else
            self->matched = bytes[i] == '\r';
        if (self->matched == 4) {
            self->matched = 0;
            found++;
        }
    }
    return found;
}

const char *answer(void)
{
    return whole;
}

size_t answer_size(void)
{
    return sizeof whole;
}

static void end_at_once(int signal)
{
    (void)signal;
    _exit(0);
}

void server_begin(void)
{
    struct rlimit limit;

    memcpy(whole, HEAD, sizeof HEAD - 1);
    memset(whole + sizeof HEAD - 1, 'x', ANSWER_BODY);
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    signal(SIGTERM, end_at_once);
    signal(SIGPIPE, SIG_IGN);
}

void server_announce(int port)
{
    must(port < 0 ? port : 0, "listen");
    printf("port %d\n", port);
    fflush(stdout);
}

int server_listen(int flags)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || listen(fd, ANSWER_BACKLOG) != 0)
        subject_fail("listen", errno);
    return fd;
}

int server_port(int listener)
{
    struct sockaddr_in address;
    socklen_t size = sizeof address;

    if (getsockname(listener, (struct sockaddr *)&address, &size) != 0)
        return -errno;
    return ntohs(address.sin_port);
}
