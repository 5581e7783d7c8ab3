/* LD_PRELOAD: every flush to the disk takes SLOWFLUSH_US microseconds more, as on a slower disk. The real flush is made too. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>

static void wait_more(void) {
    const char *more = getenv("SLOWFLUSH_US");
    long us = more ? atol(more) : 0;
    struct timespec left = {us / 1000000, us % 1000000 * 1000};
    while (nanosleep(&left, &left) != 0) {
    }
}

int fdatasync(int file) {
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    int answer = real(file);
    wait_more();
    return answer;
}

int fsync(int file) {
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    int answer = real(file);
    wait_more();
    return answer;
}
