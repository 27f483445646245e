/*
 * ironbridge-cni: the program a container runtime starts for every CNI call.
 *
 * It hands its CNI_* environment and its standard input to the agent of this node over a unix socket and prints the
 * answer. It is C and static because the runtime starts it several times per pod: 0.3 ms instead of a JavaScript
 * engine's 30. It decides nothing but VERSION, and never waits past a deadline.
 *
 * Started by the name "loopback" it is the plugin of that name, which containerd wants beside every network: it sets lo
 * up in the pod's namespace, and needs no agent for it.
 *
 * A DEL that finds no agent is written down for the next one, and succeeds: a pod would stay for ever where the agent has
 * gone for good, that which runs Ironbridge's own controller among them.
 *
 *   request:  "ibc1" | length (32 bit, big endian) | NAME=VALUE NUL ... NUL | standard input
 *   answer:   "ibc1" | length (32 bit, big endian) | exit code (1 octet) | standard output
 *
 * cni/frame.ts is the other end.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define DEFAULT_SOCKET "/run/ironbridge/cni.sock"
#define SUPPORTED "[\"0.3.1\",\"0.4.0\",\"1.0.0\",\"1.1.0\"]"
#define MAX_FRAME (1 << 20)
#define HEADER 8

/* CNI error codes: https://www.cni.dev/docs/spec/#error */
enum { INVALID_ENVIRONMENT = 4, IO_FAILURE = 5, INVALID_CONFIG = 7, INVALID_NETNS = 8, TRY_AGAIN = 11 };
enum { UNAVAILABLE = 50, CHECK_FAILED = 102, INTERNAL = 999 };
enum outcome { ANSWERED, NOT_SENT, NOT_ANSWERED };

/* Milliseconds. The kubelet gives up after 2 minutes; an agent restarts in some seconds. */
enum { DEADLINE = 30000, CONNECT = 10000, STATUS_DEADLINE = 2000, PAUSE = 20 };

/* What the name of a container may hold; it begins with a letter or digit. */
#define CONTAINER_OCTETS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-"

/* Requests that wait for an agent at most: more pods than a node has. */
enum { QUEUE_LIMIT = 1000 };

extern char **environ;

static char request[MAX_FRAME + HEADER + 1];
static char answer[MAX_FRAME];
static char version[16] = "1.1.0";
static long long start;

static long long now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

/* The runtime reads errors from standard output. */
static void fail(int code, const char *message, const char *object) {
  printf("{\"cniVersion\":\"%s\",\"code\":%d,\"msg\":\"%s\",\"details\":\"", version, code, message);
  for (; *object; object++) putchar(*object < ' ' || *object == '"' || *object == '\\' ? '?' : *object);
  puts("\"}");
  exit(1);
}

/*
 * Copies the string value of `key` in `json` to `out`; 0 when it is longer than that. Leaves `out` alone when there is
 * none. Inside another string the closing quote of the key would be escaped, so it can't match there.
 */
static int find(const char *json, const char *key, char *out, size_t size) {
  const char *at = strstr(json, key);
  if (!at) return 1;
  at += strlen(key);
  at += strspn(at, " \t\r\n");
  if (*at++ != ':') return 1;
  at += strspn(at, " \t\r\n");
  if (*at++ != '"') return 1;
  size_t n = 0;
  for (; *at && *at != '"' && n < size; at++) {
    if (*at == '\\' && at[1]) at++;
    out[n++] = *at;
  }
  if (n == size) return 0;
  out[n] = 0;
  return 1;
}

/* 1 when `fd` is ready before `until`. */
static int ready(int fd, short events, long long until) {
  struct pollfd p = {.fd = fd, .events = events};
  for (;;) {
    long long left = until - now();
    int n = poll(&p, 1, left > 0 ? (int)left : 0);
    if (n >= 0) return n;
    if (errno != EINTR) return 0;
  }
}

/* Appends the environment and standard input to the header; returns where standard input begins. */
static size_t read_request(size_t *length) {
  size_t n = HEADER;
  for (char **e = environ; *e; e++) {
    size_t size = strlen(*e) + 1;
    if (strncmp(*e, "CNI_", 4)) continue;
    if (n + size >= MAX_FRAME) fail(IO_FAILURE, "the CNI environment is larger than 1 MiB", "");
    memcpy(request + n, *e, size);
    n += size;
  }
  request[n++] = 0;
  size_t input = n;
  for (;;) {
    if (n >= MAX_FRAME) fail(IO_FAILURE, "standard input is larger than 1 MiB", "");
    if (!ready(0, POLLIN, start + DEADLINE)) fail(IO_FAILURE, "standard input did not end in time", "");
    ssize_t got = read(0, request + n, MAX_FRAME - n);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail(IO_FAILURE, "standard input can't be read", strerror(errno));
    if (got == 0) break;
    n += (size_t)got;
  }
  uint32_t size = htonl((uint32_t)(n - HEADER));
  memcpy(request, "ibc1", 4);
  memcpy(request + 4, &size, 4);
  *length = n;
  return input;
}

/* An agent that restarts refuses, or has no socket yet; one that has gone for good looks the same. */
static int is_absent(int error) { return error == ENOENT || error == ECONNREFUSED; }

/* A connection, or -1 with errno once `until` has passed; `patient` waits for an agent that is absent, too. */
static int connect_agent(const struct sockaddr_un *address, long long until, int patient) {
  for (;;) {
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return -1;
    if (connect(fd, (const struct sockaddr *)address, sizeof *address) == 0) return fd;
    int error = errno;
    close(fd);
    errno = error;
    if (is_absent(error) ? !patient : error != EAGAIN && error != EINTR) return -1;
    if (now() >= until) return -1;
    usleep(PAUSE * 1000);
  }
}

static int transfer(int fd, char *data, size_t length, int sending, long long until) {
  for (size_t n = 0; n < length;) {
    if (!ready(fd, sending ? POLLOUT : POLLIN, until)) return 0;
    ssize_t done = sending ? send(fd, data + n, length - n, MSG_NOSIGNAL) : recv(fd, data + n, length - n, 0);
    if (done > 0) n += (size_t)done;
    else if (done == 0 || (errno != EINTR && errno != EAGAIN)) return 0;
  }
  return 1;
}

static enum outcome exchange(int fd, size_t length, uint32_t *size, long long until) {
  char header[HEADER];
  if (!transfer(fd, request, length, 1, until)) return NOT_SENT;
  if (!transfer(fd, header, HEADER, 0, until) || memcmp(header, "ibc1", 4)) return NOT_ANSWERED;
  memcpy(size, header + 4, 4);
  *size = ntohl(*size);
  if (*size < 1 || *size > MAX_FRAME) return NOT_ANSWERED;
  return transfer(fd, answer, *size, 0, until) ? ANSWERED : NOT_ANSWERED;
}

/* What the agent will know the request by: CONTAINER:IFNAME, which no two attachments share. */
static void name_request(char name[NAME_MAX + 1]) {
  const char *container = getenv("CNI_CONTAINERID"), *ifname = getenv("CNI_IFNAME");
  if (!container || !isalnum((unsigned char)*container) || strlen(container) > NAME_MAX - IFNAMSIZ ||
      container[strspn(container, CONTAINER_OCTETS)]) {
    fail(INVALID_ENVIRONMENT, "CNI_CONTAINERID is not the name of a container", container ? container : "");
  }
  if (!ifname || !*ifname || strlen(ifname) >= IFNAMSIZ || strpbrk(ifname, "/: \t\r\n\f\v")) {
    fail(INVALID_ENVIRONMENT, "CNI_IFNAME is not the name of an interface", ifname ? ifname : "");
  }
  snprintf(name, NAME_MAX + 1, "%s:%s", container, ifname);
}

/*
 * The directory where an agent that starts looks for requests, or -1 with errno: deletions/ beside its socket. That is on
 * a file system that a boot empties, and a boot ends all that a DEL is about.
 */
static int open_queue(const char *socket) {
  char directory[sizeof((struct sockaddr_un *)0)->sun_path + 16];
  const char *slash = strrchr(socket, '/');
  int parent = snprintf(directory, sizeof directory, "%.*s", slash ? (int)(slash - socket) : 1, slash ? socket : ".");
  mkdir(directory, 0700); /* what is wrong with it, if it is not there already, shows when it is opened */
  strcpy(directory + parent, "/deletions");
  mkdir(directory, 0700);
  return open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* 1 when there is no room in `queue` for a request that is not there yet. Half-written ones begin with a dot. */
static int is_full(int queue, const char *name) {
  if (faccessat(queue, name, F_OK, 0) == 0) return 0;
  DIR *entries = fdopendir(dup(queue));
  if (!entries) return 1;
  int n = 0;
  for (struct dirent *entry; (entry = readdir(entries));) n += entry->d_name[0] != '.';
  closedir(entries);
  return n >= QUEUE_LIMIT;
}

/* 1 when the request is in `queue`, all of it; 0 with errno and nothing else. */
static int write_request(int queue, const char *name, size_t length) {
  char temporary[32];
  snprintf(temporary, sizeof temporary, ".%d", (int)getpid());
  int fd = openat(queue, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return 0;
  ssize_t written = write(fd, request, length);
  if (written >= 0 && (size_t)written < length) errno = ENOSPC; /* a file takes less than all of it only when full */
  if (written == (ssize_t)length && renameat(queue, temporary, queue, name) == 0) return 1;
  int error = errno;
  unlinkat(queue, temporary, 0);
  errno = error;
  return 0;
}

/*
 * A connection to the agent after all, or -1 with errno and the request written down. An agent first listens and then
 * reads what waits: so either it reads ours, or it is there when we look again.
 */
static int queue_request(const struct sockaddr_un *address, size_t length, long long until) {
  char name[NAME_MAX + 1];
  name_request(name);
  int queue = open_queue(address->sun_path);
  if (queue >= 0 && is_full(queue, name)) {
    fail(TRY_AGAIN, "no Ironbridge agent answers on this node, and too many deletions wait for one", address->sun_path);
  }
  if (queue < 0 || !write_request(queue, name, length)) {
    fail(TRY_AGAIN, "no Ironbridge agent answers on this node, and the deletion can't be kept for one", strerror(errno));
  }
  int fd = connect_agent(address, until, 0);
  if (fd >= 0) unlinkat(queue, name, 0);
  return fd;
}

/* Reads the flags of lo, sets or clears IFF_UP when `up` is not negative, and returns what they were; -1 with errno. */
static int loopback_flags(int up) {
  struct ifreq lo = {.ifr_name = "lo"};
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || ioctl(fd, SIOCGIFFLAGS, &lo) < 0) return -1;
  int before = lo.ifr_flags;
  if (up >= 0) {
    lo.ifr_flags = (short)(up ? before | IFF_UP : before & ~IFF_UP);
    if (ioctl(fd, SIOCSIFFLAGS, &lo) < 0) return -1;
  }
  close(fd);
  return before;
}

/* The plugin loopback. Its configuration names no more than itself. */
static int loopback(const char *command, const char *config) {
  const char *netns = getenv("CNI_NETNS");
  int adding = !strcmp(command, "ADD"), deleting = !strcmp(command, "DEL"), checking = !strcmp(command, "CHECK");
  if (!adding && !deleting && !checking) return 0; /* GC and STATUS: there is nothing to collect or to wait for */
  if (!netns || !*netns) {
    if (deleting) return 0;
    fail(INVALID_ENVIRONMENT, "required environment variables missing: CNI_NETNS", "");
  }
  if (adding && strstr(config, "\"prevResult\"")) fail(INVALID_CONFIG, "loopback must be the first plugin of its list", "");
  int fd = open(netns, O_RDONLY | O_CLOEXEC);
  if (fd < 0 && deleting) return 0; /* lo has gone with its namespace */
  if (fd < 0 || setns(fd, CLONE_NEWNET) < 0) fail(INVALID_NETNS, "CNI_NETNS can't be used", strerror(errno));
  int flags = loopback_flags(adding ? 1 : deleting ? 0 : -1);
  if (flags < 0) fail(INTERNAL, "lo can't be set", strerror(errno));
  if (checking && !(flags & IFF_UP)) fail(CHECK_FAILED, "interface lo is down", netns);
  if (!adding) return 0;
  int old = version[0] == '0'; /* 1.0.0 dropped ips[].version */
  printf("{\"cniVersion\":\"%s\",\"interfaces\":[{\"name\":\"lo\",\"mac\":\"00:00:00:00:00:00\",\"sandbox\":\"", version);
  for (; *netns; netns++) putchar(*netns < ' ' || *netns == '"' || *netns == '\\' ? '?' : *netns);
  printf("\"}],\"ips\":[{%s\"address\":\"127.0.0.1/8\",\"interface\":0},", old ? "\"version\":\"4\"," : "");
  printf("{%s\"address\":\"::1/128\",\"interface\":0}],\"dns\":{}}\n", old ? "\"version\":\"6\"," : "");
  return 0;
}

int main(int count, char **args) {
  const char *command = getenv("CNI_COMMAND");
  if (!command) {
    fputs("ironbridge-cni: the CNI plugin of Ironbridge; CNI protocol versions " SUPPORTED "\n", stderr);
    return 0;
  }
  start = now();
  size_t length;
  const char *config = request + read_request(&length);
  int known = find(config, "\"cniVersion\"", version, sizeof version);
  if (!known || strspn(version, "0123456789.") != strlen(version)) strcpy(version, "1.1.0");
  if (!strcmp(command, "VERSION")) {
    printf("{\"cniVersion\":\"%s\",\"supportedVersions\":" SUPPORTED "}\n", version);
    return 0;
  }
  const char *slash = count > 0 ? strrchr(args[0], '/') : NULL;
  if (!strcmp(slash ? slash + 1 : count > 0 ? args[0] : "", "loopback")) return loopback(command, config);

  struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = DEFAULT_SOCKET};
  if (!find(config, "\"agentSocket\"", address.sun_path, sizeof address.sun_path)) {
    fail(INVALID_CONFIG, "agentSocket is longer than the 107 characters a unix socket may have", "");
  }
  int status = !strcmp(command, "STATUS"), adding = !strcmp(command, "ADD"), deleting = !strcmp(command, "DEL");
  int code = status ? UNAVAILABLE : TRY_AGAIN;
  long long until = start + (status ? STATUS_DEADLINE : DEADLINE);
  for (;;) {
    long long patience = now() + CONNECT;
    if (patience > until) patience = until;
    int fd = connect_agent(&address, patience, !deleting);
    if (fd < 0 && deleting && is_absent(errno)) {
      fd = queue_request(&address, length, patience);
      if (fd < 0 && is_absent(errno)) return 0;
    }
    if (fd < 0) fail(code, "the Ironbridge agent of this node does not answer", address.sun_path);
    uint32_t size;
    enum outcome outcome = exchange(fd, length, &size, until);
    close(fd);
    if (outcome == ANSWERED) {
      fwrite(answer + 1, 1, size - 1, stdout);
      return answer[0];
    }
    if (now() >= until) fail(code, "the Ironbridge agent of this node did not answer in time", address.sun_path);
    /* An ADD may have been done; asking again would be refused. The runtime sends DEL and a new ADD. */
    if (adding && outcome == NOT_ANSWERED) {
      fail(code, "the Ironbridge agent of this node stopped before it answered", address.sun_path);
    }
    usleep(PAUSE * 1000);
  }
}
