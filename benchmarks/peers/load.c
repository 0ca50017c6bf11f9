// The load generator of bench:peers: one thread, epoll, HTTP/1.1 and WebSocket over loopback.
//
//   load MODE key=value ...          one JSON line on standard output
//
// MODE closed  conns clients, each sends its next request as soon as it has the answer
//      open    Poisson arrivals at rate/s on a schedule fixed by seed; latency counts from the scheduled time
//      sse     conns clients that each read a stream to its end and ask for the next
//      ws      conns sockets, each with `window` messages under way
//      hold    conns connections that each make one request (or one ws message), then stay until stdin ends
//
// Keys: port path conns secs warm rate seed deadline(ms) settle(ms) body(file) ctype seq(0|1) count window
// pids(1,2,3) cpu(core) With seq=1 the eight letters SSSSSSSS in the body become the request's number, which
// the answer must hold. Build: cc -O2 -o load load.c -lm
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CONNECTING, UPGRADING, IDLE, BUSY, DEAD };
enum { HEAD, BODY_LEN, CHUNK_SIZE, CHUNK_DATA, CHUNK_END, TRAILER, BODY_EOF };
enum { M_CLOSED, M_OPEN, M_SSE, M_WS, M_HOLD };

#define MAX_CONNS 12000
#define HEAD_MAX 8192
#define KEEP 160
#define PROMPT_MS 5 // the longest that a refusal on arrival takes

typedef struct {
  int fd, state, index;
  // request
  const char *out;
  size_t outlen, outoff;
  char *own;
  int armed;
  long number;
  int64_t due, sent;
  // response
  int phase, status, closes, retry;
  size_t headlen;
  char *head;
  uint64_t left;
  char line[32];
  int linelen;
  char keep[KEEP];
  int kept;
  int match;
  long items;
  int64_t first;
  // websocket
  int64_t *ring;
  int rhead, rcount;
  uint8_t whdr[14];
  int whlen;
  uint64_t wleft;
  int wop;
} Conn;

typedef struct {
  float lat;
  uint16_t status;
  uint8_t retry;
  uint8_t pad;
  float late;
} Sample;

static int mode, port = 0, nconns = 1, window_ = 1, seq = 0, ep;
static long count = 0; // a closed loop ends early after this many answers; 0: it does not
static double secs = 5, warm = 1, rate = 100, deadline = 100, settle = 400;
static uint64_t rng = 88172645463325252ull;
static const char *path = "/", *ctype = "application/json", *pids = "", *proto = "http", *bodyfile = NULL,
                  *method = "POST";
static char *body = NULL;
static size_t bodylen = 0;
static char *reqbuf = NULL;
static size_t reqlen = 0, seqoff = 0;
static Conn *conns[MAX_CONNS];
static int nall = 0;
static Conn *idle[MAX_CONNS];
static int nidle = 0;
static Sample *samples;
static size_t nsamples = 0, capsamples = 0;
static int64_t t0, tmeasure, tend;
static int measuring = 0, stopping = 0;
static long lost = 0, mismatches = 0, pending = 0, reconnects = 0;
static uint64_t bytes_in = 0;
static long items_total = 0, streams_total = 0;
static float *firsts;
static size_t nfirsts = 0;

static int64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000ll + t.tv_nsec;
}
static double uni(void) {
  rng ^= rng << 13;
  rng ^= rng >> 7;
  rng ^= rng << 17;
  return ((rng >> 11) + 0.5) / 9007199254740992.0;
}
static void die(const char *m) {
  fprintf(stderr, "load: %s (%s)\n", m, strerror(errno));
  exit(2);
}

// ---------------------------------------------------------------- processor time
static double server_cpu(void) { // seconds of all threads of the given processes
  double total = 0;
  char *copy = strdup(pids), *save = NULL;
  for (char *p = strtok_r(copy, ",", &save); p; p = strtok_r(NULL, ",", &save)) {
    char dir[64];
    snprintf(dir, sizeof dir, "/proc/%s/task", p);
    DIR *d = opendir(dir);
    if (!d) continue;
    struct dirent *e;
    while ((e = readdir(d))) {
      if (e->d_name[0] == '.') continue;
      char f[400];
      snprintf(f, sizeof f, "/proc/%s/task/%s/schedstat", p, e->d_name);
      FILE *h = fopen(f, "r");
      if (!h) continue;
      unsigned long long ns = 0;
      if (fscanf(h, "%llu", &ns) == 1) total += ns / 1e9;
      fclose(h);
    }
    closedir(d);
  }
  free(copy);
  return total;
}
static double busy_cpu(void) { // seconds that the machine's cores were busy; steal included
  FILE *h = fopen("/proc/stat", "r");
  unsigned long long v[8] = {0};
  if (fscanf(h, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", v, v + 1, v + 2, v + 3, v + 4, v + 5, v + 6,
             v + 7) != 8)
    die("stat");
  fclose(h);
  return (v[0] + v[1] + v[2] + v[5] + v[6] + v[7]) / 100.0;
}
static double own_cpu(void) {
  struct rusage r;
  getrusage(RUSAGE_SELF, &r);
  return r.ru_utime.tv_sec + r.ru_stime.tv_sec + (r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
}
static double cpu0, cpu1, busy0, busy1, own0, own1;
static int64_t m0, m1;
static void mark_start(void) {
  measuring = 1;
  m0 = now();
  cpu0 = server_cpu();
  busy0 = busy_cpu();
  own0 = own_cpu();
}
static void mark_end(void) {
  measuring = 2;
  m1 = now();
  cpu1 = server_cpu();
  busy1 = busy_cpu();
  own1 = own_cpu();
}

// ---------------------------------------------------------------- connections
static void arm(Conn *c, int out) {
  if (c->armed == out) return;
  struct epoll_event e = {.events = EPOLLIN | (out ? EPOLLOUT : 0), .data.ptr = c};
  epoll_ctl(ep, EPOLL_CTL_MOD, c->fd, &e);
  c->armed = out;
}
static void dial(Conn *c) {
  c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (c->fd < 0) die("socket");
  int one = 1;
  setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  struct sockaddr_in a = {
      .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  c->state = CONNECTING;
  c->phase = HEAD;
  c->headlen = 0;
  c->armed = 1;
  c->outlen = c->outoff = 0;
  if (connect(c->fd, (struct sockaddr *)&a, sizeof a) < 0 && errno != EINPROGRESS) die("connect");
  struct epoll_event e = {.events = EPOLLIN | EPOLLOUT, .data.ptr = c};
  epoll_ctl(ep, EPOLL_CTL_ADD, c->fd, &e);
}
static Conn *fresh(void) {
  if (nall >= MAX_CONNS) return NULL;
  Conn *c = calloc(1, sizeof *c);
  c->head = malloc(HEAD_MAX);
  c->index = nall;
  conns[nall++] = c;
  if (mode == M_WS || !strcmp(proto, "ws")) c->ring = malloc(sizeof(int64_t) * (window_ + 1));
  dial(c);
  return c;
}
static void flush_out(Conn *c) {
  while (c->outoff < c->outlen) {
    ssize_t n = write(c->fd, c->out + c->outoff, c->outlen - c->outoff);
    if (n < 0) {
      if (errno == EAGAIN) {
        arm(c, 1);
        return;
      }
      return;
    }
    c->outoff += n;
  }
  arm(c, 0);
}
static void start_response(Conn *c) {
  c->phase = HEAD;
  c->headlen = 0;
  c->kept = 0;
  c->match = 0;
  c->items = 0;
  c->first = 0;
  c->linelen = 0;
}
static void send_request(Conn *c, int64_t due, long number) {
  c->number = number;
  c->due = due;
  c->sent = now();
  c->state = c->state == CONNECTING ? CONNECTING : BUSY;
  if (seq) {
    if (!c->own) c->own = malloc(reqlen + 1);
    memcpy(c->own, reqbuf, reqlen);
    char d[32];
    snprintf(d, sizeof d, "%08ld", 10000000 + number);
    memcpy(c->own + seqoff, d, 8);
    c->out = c->own;
  } else
    c->out = reqbuf;
  c->outlen = reqlen;
  c->outoff = 0;
  start_response(c);
  if (c->state == BUSY) flush_out(c);
}
static void ws_send(Conn *c, int64_t t) {
  c->ring[(c->rhead + c->rcount) % (window_ + 1)] = t;
  c->rcount++;
  size_t off = 0; // frames are small; a blocked socket is waited for
  while (off < reqlen) {
    ssize_t n = write(c->fd, reqbuf + off, reqlen - off);
    if (n < 0) {
      if (errno == EAGAIN) continue;
      return;
    }
    off += n;
  }
}
static void record(double lat_ms, int status, int retry, double late_ms) {
  if (nsamples == capsamples) {
    capsamples = capsamples ? capsamples * 2 : 1 << 16;
    samples = realloc(samples, capsamples * sizeof *samples);
  }
  samples[nsamples++] = (Sample){.lat = lat_ms, .status = status, .retry = retry, .late = late_ms};
}
static void begin(Conn *c) { // closed loop: the next request
  if (stopping) {
    c->state = IDLE;
    return;
  }
  int64_t t = now();
  static long number = 0;
  send_request(c, t, number++);
}
static void complete(Conn *c) {
  int64_t t = now();
  int counted = mode == M_OPEN ? (c->due >= tmeasure && c->due < tend) : (measuring == 1);
  if (seq && c->status == 200) {
    char d[32];
    snprintf(d, sizeof d, "%08ld", 10000000 + c->number);
    if (!memmem(c->keep, c->kept, d, 8)) {
      mismatches++;
    }
  }
  if (counted) record((t - c->due) / 1e6, c->status, c->retry, (c->sent - c->due) / 1e6);
  if (mode == M_SSE && measuring == 1) {
    streams_total++;
    if (c->first && nfirsts < 1000000) firsts[nfirsts++] = (c->first - c->due) / 1e6;
  }
  if (mode == M_OPEN && counted) pending--;
  c->state = IDLE;
  if (c->closes) {
    close(c->fd);
    c->closes = 0;
    reconnects++;
    if (mode == M_OPEN) {
      c->state = DEAD;
      conns[c->index] = conns[--nall];
      conns[c->index]->index = c->index;
      free(c->head);
      free(c->own);
      free(c);
      return;
    }
    dial(c);
    return;
  }
  if (mode == M_CLOSED || mode == M_SSE)
    begin(c);
  else
    idle[nidle++] = c;
}
static void broken(Conn *c) {
  int was = c->state;
  close(c->fd);
  if (was == BUSY && c->phase == BODY_EOF) {
    c->closes = 0;
    c->state = IDLE;
    complete(c);
    return;
  }
  if (was == BUSY || (was == CONNECTING && c->outlen)) {
    int counted = mode == M_OPEN ? (c->due >= tmeasure && c->due < tend) : (measuring == 1);
    if (counted) {
      record((now() - c->due) / 1e6, 0, 0, (c->sent - c->due) / 1e6);
      lost++;
      if (mode == M_OPEN) pending--;
    }
  }
  if (mode == M_OPEN) {
    for (int i = 0; i < nidle; i++)
      if (idle[i] == c) {
        idle[i] = idle[--nidle];
        break;
      }
    conns[c->index] = conns[--nall];
    conns[c->index]->index = c->index;
    free(c->head);
    free(c->own);
    free(c);
    return;
  }
  if (mode == M_WS || mode == M_HOLD) {
    c->state = DEAD;
    lost++;
    return;
  }
  if (stopping) {
    c->state = DEAD;
    return;
  }
  reconnects++;
  if (reconnects > 200000) die("connections are cut again and again");
  dial(c);
}

// ---------------------------------------------------------------- responses
static void head_done(Conn *c, char *h) {
  c->status = atoi(h + 9);
  c->closes = 0;
  c->retry = 0;
  int chunked = 0;
  long long length = -1;
  for (char *l = strstr(h, "\r\n"); l && l[2]; l = strstr(l + 2, "\r\n")) {
    char *k = l + 2;
    if (!strncasecmp(k, "content-length:", 15))
      length = atoll(k + 15);
    else if (!strncasecmp(k, "transfer-encoding:", 18))
      chunked = strcasestr(k + 18, "chunked") != NULL;
    else if (!strncasecmp(k, "connection:", 11)) {
      char v[16] = {0};
      sscanf(k + 11, " %15[^\r]", v);
      c->closes = !strncasecmp(v, "close", 5);
    } else if (!strncasecmp(k, "retry-after:", 12))
      c->retry = 1;
  }
  if (chunked) {
    c->phase = CHUNK_SIZE;
    c->linelen = 0;
  } else if (length >= 0) {
    c->phase = BODY_LEN;
    c->left = length;
  } else if (c->status == 204 || c->status == 304) {
    c->phase = BODY_LEN;
    c->left = 0;
  } else {
    c->phase = BODY_EOF;
    c->left = 0;
  }
}
static void body_bytes(Conn *c, const char *p, size_t n) {
  if (measuring == 1) bytes_in += n;
  if (c->kept < KEEP) {
    size_t k = n < (size_t)(KEEP - c->kept) ? n : (size_t)(KEEP - c->kept);
    memcpy(c->keep + c->kept, p, k);
    c->kept += k;
  }
  if (mode == M_SSE) {
    static const char want[] = "data:";
    for (size_t i = 0; i < n; i++) {
      if (p[i] == want[c->match]) {
        if (++c->match == 5) {
          c->match = 0;
          c->items++;
          if (!c->first) c->first = now();
          if (measuring == 1) items_total++;
        }
      } else
        c->match = p[i] == 'd';
    }
  }
}
static int http_bytes(Conn *c, const char *p, size_t n) { // 0 when the connection is another's by now
  while (n || ((c->phase == BODY_LEN) && c->left == 0 && c->state == BUSY)) {
    if (c->state != BUSY) return 1;
    switch (c->phase) {
    case HEAD: {
      size_t k = n < HEAD_MAX - 1 - c->headlen ? n : HEAD_MAX - 1 - c->headlen;
      size_t from = c->headlen > 3 ? c->headlen - 3 : 0;
      memcpy(c->head + c->headlen, p, k);
      c->head[c->headlen + k] = 0;
      char *e = memmem(c->head + from, c->headlen + k - from, "\r\n\r\n", 4);
      if (!e) {
        c->headlen += k;
        p += k;
        n -= k;
        if (c->headlen >= HEAD_MAX - 1) die("head too long");
        break;
      }
      size_t used = (e - c->head) + 4 - c->headlen;
      e[2] = 0;
      p += used;
      n -= used;
      head_done(c, c->head);
      c->headlen = 0;
      if (c->status / 100 == 1) {
        c->phase = HEAD;
        break;
      }
      break;
    }
    case BODY_LEN: {
      size_t k = n < c->left ? n : c->left;
      body_bytes(c, p, k);
      p += k;
      n -= k;
      c->left -= k;
      if (c->left == 0) {
        int closes = c->closes;
        complete(c);
        return !closes;
      }
      break;
    }
    case CHUNK_SIZE: {
      char ch = *p++;
      n--;
      if (ch == '\n') {
        c->line[c->linelen] = 0;
        c->left = strtoull(c->line, NULL, 16);
        c->linelen = 0;
        c->phase = c->left ? CHUNK_DATA : TRAILER;
      } else if (ch != '\r' && c->linelen < 30)
        c->line[c->linelen++] = ch;
      break;
    }
    case CHUNK_DATA: {
      size_t k = n < c->left ? n : c->left;
      body_bytes(c, p, k);
      p += k;
      n -= k;
      c->left -= k;
      if (!c->left) c->phase = CHUNK_END;
      break;
    }
    case CHUNK_END: {
      char ch = *p++;
      n--;
      if (ch == '\n') {
        c->phase = CHUNK_SIZE;
        c->linelen = 0;
      }
      break;
    }
    case TRAILER: {
      char ch = *p++;
      n--;
      if (ch == '\n') {
        if (c->linelen == 0) {
          int closes = c->closes;
          complete(c);
          return !closes;
        }
        c->linelen = 0;
      } else if (ch != '\r')
        c->linelen = 1;
      break;
    }
    case BODY_EOF:
      body_bytes(c, p, n);
      n = 0;
      break;
    }
  }
  return 1;
}
static void ws_bytes(Conn *c, const uint8_t *p, size_t n) {
  while (n) {
    if (c->wleft) {
      size_t k = n < c->wleft ? n : c->wleft;
      p += k;
      n -= k;
      c->wleft -= k;
      if (c->wleft) return;
    } else {
      c->whdr[c->whlen++] = *p++;
      n--;
      if (c->whlen < 2) continue;
      int l = c->whdr[1] & 127;
      int need = 2 + (l == 126 ? 2 : l == 127 ? 8 : 0);
      if (c->whlen < need) continue;
      uint64_t len = l;
      if (l >= 126) {
        len = 0;
        for (int i = 2; i < need; i++) len = len << 8 | c->whdr[i];
      }
      c->wop = c->whdr[0] & 15;
      c->whlen = 0;
      c->wleft = len;
      if (len) continue;
    }
    if (c->wop == 8) {
      lost++;
      c->state = DEAD;
      return;
    }
    if (c->wop == 9) {
      static const uint8_t pong[6] = {0x8a, 0x80};
      if (write(c->fd, pong, 6) < 0) return;
      continue;
    }
    if (c->rcount) {
      int64_t t = now(), sent = c->ring[c->rhead];
      c->rhead = (c->rhead + 1) % (window_ + 1);
      c->rcount--;
      if (measuring == 1) {
        record((t - sent) / 1e6, 200, 0, 0);
      }
      if (mode == M_HOLD) {
        c->state = IDLE;
        pending--;
      } else if (!stopping)
        ws_send(c, t);
    }
  }
}
static char scratch[1 << 18];
static void ws_upgrade(Conn *c) {
  static char up[1024];
  int n =
      snprintf(up, sizeof up,
               "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\nConnection: "
               "Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
               path, port);
  c->state = UPGRADING;
  if (write(c->fd, up, n) != n) die("upgrade");
}
static int is_ws(void) {
  return mode == M_WS || (mode == M_HOLD && !strcmp(proto, "ws"));
}
static void on_event(Conn *c, uint32_t ev) {
  if (c->state == DEAD) return;
  if (c->state == CONNECTING && (ev & (EPOLLOUT | EPOLLERR | EPOLLHUP))) {
    int err = 0;
    socklen_t l = sizeof err;
    getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &err, &l);
    if (err) {
      broken(c);
      return;
    }
    arm(c, 0);
    if (!c->outlen) c->state = IDLE;
    if (is_ws()) {
      ws_upgrade(c);
      return;
    }
    if (c->outlen) {
      c->state = BUSY;
      flush_out(c);
    } else if (mode == M_OPEN || mode == M_HOLD)
      idle[nidle++] = c;
    else
      begin(c);
    return;
  }
  if ((ev & EPOLLOUT) && c->state == BUSY) flush_out(c);
  if (ev & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
    for (int rounds = 0; rounds < 16; rounds++) {
      ssize_t n = read(c->fd, scratch, sizeof scratch);
      if (n == 0) {
        broken(c);
        return;
      }
      if (n < 0) {
        if (errno != EAGAIN) broken(c);
        return;
      }
      if (c->state == UPGRADING) {
        size_t k = (size_t)n;
        memcpy(c->head + c->headlen, scratch, k);
        c->headlen += k;
        c->head[c->headlen] = 0;
        char *e = strstr(c->head, "\r\n\r\n");
        if (!e) continue;
        if (strncmp(c->head + 9, "101", 3)) {
          fprintf(stderr, "%s\n", c->head);
          die("no upgrade");
        }
        c->state = mode == M_HOLD ? BUSY : IDLE;
        size_t rest = c->headlen - (e + 4 - c->head);
        if (mode == M_WS)
          for (int i = 0; i < window_; i++) ws_send(c, now());
        else {
          pending++;
          ws_send(c, now());
        }
        if (rest) ws_bytes(c, (uint8_t *)e + 4, rest);
        continue;
      }
      if (is_ws())
        ws_bytes(c, (uint8_t *)scratch, n);
      else if (!http_bytes(c, scratch, n))
        return;
      if ((size_t)n < sizeof scratch) return;
    }
  }
}

// ---------------------------------------------------------------- report
static int cmpf(const void *a, const void *b) {
  float x = *(const float *)a, y = *(const float *)b;
  return x < y ? -1 : x > y;
}
static double q(float *v, size_t n, double p) {
  if (!n) return 0;
  size_t i = (size_t)(p * (n - 1) + 0.5);
  return v[i];
}
static void report(void) {
  double span = (m1 - m0) / 1e9, cpu = cpu1 - cpu0, foreign = (busy1 - busy0) - cpu - (own1 - own0);
  float *acc = malloc((nsamples + 1) * sizeof(float)), *rej = malloc((nsamples + 1) * sizeof(float)),
        *late = malloc((nsamples + 1) * sizeof(float));
  size_t na = 0, nr = 0, good = 0, slow = 0, retry = 0, after = 0;
  long st[1000] = {0};
  for (size_t i = 0; i < nsamples; i++) {
    Sample s = samples[i];
    st[s.status]++;
    late[i] = s.late;
    if (s.status == 200) {
      acc[na++] = s.lat;
      if (s.lat <= deadline)
        good++;
      else
        slow++;
    } else if (s.status) {
      rej[nr++] = s.lat;
      retry += s.retry;
      after += s.lat > PROMPT_MS;
    }
  }
  qsort(acc, na, sizeof(float), cmpf);
  qsort(rej, nr, sizeof(float), cmpf);
  qsort(late, nsamples, sizeof(float), cmpf);
  qsort(firsts, nfirsts, sizeof(float), cmpf);
  double window = mode == M_OPEN ? (tend - tmeasure) / 1e9 : span;
  printf("{\"requests\":%zu,\"rps\":%.1f,\"ok\":%zu,\"good\":%zu,\"goodput\":%.1f,\"goodShare\":%.4f,"
         "\"lateOk\":%zu,\"refused\":%zu,\"lost\":%ld,\"unanswered\":%ld,\"mismatches\":%ld,",
         nsamples, na / window, na, good, good / window,
         nsamples + pending > 0 ? (double)good / (nsamples + (mode == M_OPEN ? pending : 0)) : 0, slow, nr,
         lost, mode == M_OPEN ? pending : 0, mismatches);
  printf("\"p50\":%.3f,\"p90\":%.3f,\"p99\":%.3f,\"max\":%.3f,\"refuseP50\":%.3f,\"refuseP99\":%.3f,"
         "\"retryAfterShare\":%.3f,\"refusedLate\":%zu,",
         q(acc, na, .5), q(acc, na, .9), q(acc, na, .99), q(acc, na, 1), q(rej, nr, .5), q(rej, nr, .99),
         nr ? (double)retry / nr : 0, after);
  printf("\"lateP99\":%.3f,\"span\":%.3f,\"cpu\":%.4f,\"cpuUsPerOk\":%.2f,\"ownCpu\":%.4f,\"foreignCpu\":%."
         "3f,\"conns\":%d,\"reconnects\":%ld,\"bytesIn\":%llu,",
         q(late, nsamples, .99), span, cpu, na ? cpu * 1e6 / na : 0, own1 - own0, foreign / span, nall,
         reconnects, (unsigned long long)bytes_in);
  if (mode == M_SSE)
    printf("\"items\":%ld,\"itemsPerS\":%.1f,\"cpuUsPerItem\":%.3f,\"streams\":%ld,\"firstP50\":%.3f,"
           "\"firstP99\":%.3f,",
           items_total, items_total / span, items_total ? cpu * 1e6 / items_total : 0, streams_total,
           q(firsts, nfirsts, .5), q(firsts, nfirsts, .99));
  printf("\"status\":{");
  int c = 0;
  for (int i = 0; i < 1000; i++)
    if (st[i]) printf("%s\"%d\":%ld", c++ ? "," : "", i, st[i]);
  printf("}}\n");
}

static void pump(int64_t until) { // handles events until a time; -1 polls once
  struct epoll_event ev[256];
  for (;;) {
    int64_t t = now();
    int64_t rest = until - t;
    if (until >= 0 && rest <= 0) return;
    struct timespec ts = {until < 0 ? 0 : rest / 1000000000ll, until < 0 ? 0 : rest % 1000000000ll};
    int n = epoll_pwait2(ep, ev, 256, &ts, NULL);
    for (int i = 0; i < n; i++) on_event(ev[i].data.ptr, ev[i].events);
    if (until < 0) return;
  }
}
static void open_conns(int count) {
  while (nall < count) {
    for (int i = 0; i < 50 && nall < count; i++) fresh();
    pump(now() + 5000000);
  }
}

int main(int argc, char **argv) {
  if (argc < 2) return 2;
  signal(SIGPIPE, SIG_IGN);
  const char *m = argv[1];
  mode = !strcmp(m, "closed") ? M_CLOSED
         : !strcmp(m, "open") ? M_OPEN
         : !strcmp(m, "sse")  ? M_SSE
         : !strcmp(m, "ws")   ? M_WS
                              : M_HOLD;
  int core = -1;
  for (int i = 2; i < argc; i++) {
    char *e = strchr(argv[i], '=');
    if (!e) continue;
    *e = 0;
    const char *k = argv[i], *v = e + 1;
    if (!strcmp(k, "port"))
      port = atoi(v);
    else if (!strcmp(k, "path"))
      path = v;
    else if (!strcmp(k, "conns"))
      nconns = atoi(v);
    else if (!strcmp(k, "secs"))
      secs = atof(v);
    else if (!strcmp(k, "warm"))
      warm = atof(v);
    else if (!strcmp(k, "rate"))
      rate = atof(v);
    else if (!strcmp(k, "seed"))
      rng ^= (uint64_t)atoll(v) * 0x9E3779B97F4A7C15ull;
    else if (!strcmp(k, "deadline"))
      deadline = atof(v);
    else if (!strcmp(k, "settle"))
      settle = atof(v);
    else if (!strcmp(k, "body"))
      bodyfile = v;
    else if (!strcmp(k, "ctype"))
      ctype = v;
    else if (!strcmp(k, "count"))
      count = atol(v);
    else if (!strcmp(k, "seq"))
      seq = atoi(v);
    else if (!strcmp(k, "window"))
      window_ = atoi(v);
    else if (!strcmp(k, "pids"))
      pids = v;
    else if (!strcmp(k, "cpu"))
      core = atoi(v);
    else if (!strcmp(k, "proto"))
      proto = v;
    else if (!strcmp(k, "method"))
      method = v;
  }
  for (int i = 0; i < 20; i++) uni();
  if (core >= 0) {
    cpu_set_t s;
    CPU_ZERO(&s);
    CPU_SET(core, &s);
    sched_setaffinity(0, sizeof s, &s);
  }
  setpriority(PRIO_PROCESS, 0, -15);
  struct rlimit rl;
  getrlimit(RLIMIT_NOFILE, &rl);
  rl.rlim_cur = rl.rlim_max;
  setrlimit(RLIMIT_NOFILE, &rl);
  if (bodyfile) {
    FILE *f = fopen(bodyfile, "r");
    if (!f) die("body");
    fseek(f, 0, SEEK_END);
    bodylen = ftell(f);
    rewind(f);
    body = malloc(bodylen + 1);
    if (fread(body, 1, bodylen, f) != bodylen) die("body");
    body[bodylen] = 0;
    fclose(f);
  }
  firsts = malloc(sizeof(float) * 1000000);
  if (is_ws() || mode == M_WS) { // one masked binary frame; a mask of zeros leaves the payload as it is
    reqbuf = malloc(bodylen + 16);
    reqbuf[0] = (char)0x82;
    int h = 2;
    if (bodylen < 126)
      reqbuf[1] = (char)(0x80 | bodylen);
    else {
      reqbuf[1] = (char)(0x80 | 126);
      reqbuf[2] = bodylen >> 8;
      reqbuf[3] = bodylen & 255;
      h = 4;
    }
    memset(reqbuf + h, 0, 4);
    memcpy(reqbuf + h + 4, body, bodylen);
    reqlen = h + 4 + bodylen;
  } else {
    reqbuf = malloc(bodylen + 1024);
    int h = !strcmp(method, "GET")
                ? sprintf(reqbuf, "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n", path, port)
                : sprintf(reqbuf,
                          "%s %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: %s\r\nAccept: "
                          "*/*\r\nContent-Length: %zu\r\n\r\n",
                          method, path, port, ctype, bodylen);
    if (bodylen && strcmp(method, "GET"))
      memcpy(reqbuf + h, body, bodylen);
    else
      bodylen = 0;
    reqlen = h + bodylen;
    if (seq) {
      char *s = memmem(reqbuf + h, bodylen, "SSSSSSSS", 8);
      if (!s) die("no SSSSSSSS in the body");
      seqoff = s - reqbuf;
    }
  }
  ep = epoll_create1(EPOLL_CLOEXEC);
  if (mode == M_HOLD) {
    open_conns(nconns);
    if (is_ws()) {
      int64_t end = now() + 20000000000ll;
      while ((pending > 0) && now() < end) pump(now() + 10000000);
      pump(now() + 500000000);
    } else
      for (int i = 0; i < nconns; i++) {
        int64_t end = now() + 5000000000ll;
        while (nidle < 1 && now() < end) pump(now() + 1000000);
        if (nidle < 1) break;
        Conn *c = idle[0];
        idle[0] = idle[--nidle];
        send_request(c, now(), i);
        while (c->state == BUSY && now() < end) pump(now() + 200000);
        for (int j = 0; j < nidle; j++)
          if (idle[j] == c) {
            idle[j] = idle[--nidle];
            break;
          } // used once
      }
    int alive = 0;
    for (int i = 0; i < nall; i++) alive += conns[i]->state == IDLE;
    printf("{\"held\":%d}\n", alive);
    fflush(stdout);
    char b;
    while (read(0, &b, 1) > 0) {
    }
    return 0;
  }
  t0 = now();
  if (mode == M_OPEN) {
    open_conns(nconns);
    {
      int64_t end = now() + 3000000000ll;
      while (nidle < nconns && now() < end) pump(now() + 1000000);
    }
    t0 = now() + 20000000;
    tmeasure = t0 + (int64_t)(warm * 1e9);
    tend = tmeasure + (int64_t)(secs * 1e9);
    int64_t due = t0;
    long number = 0;
    int started = 0;
    for (;;) {
      double gap = -log(uni()) / rate;
      due += (int64_t)(gap * 1e9);
      if (due >= tend) break;
      if (warm > 0 && due < t0 + (int64_t)(0.6 * warm * 1e9) && uni() > (due - t0) / (0.6 * warm * 1e9))
        continue; // rises from 0
      if (!started && due >= tmeasure) {
        pump(tmeasure);
        mark_start();
        started = 1;
      }
      if (now() < due)
        pump(due);
      else
        pump(-1);
      if (due >= tmeasure) pending++;
      Conn *c = nidle ? idle[--nidle] : NULL;
      if (!c) {
        c = fresh();
        if (!c) {
          record(settle + deadline, 0, 0, 0);
          lost++;
          pending--;
          continue;
        }
      }
      send_request(c, due, number++);
    }
    pump(tend);
    mark_end();
    int64_t end = now() + (int64_t)((deadline + settle) * 1e6);
    while (pending > 0 && now() < end) pump(now() + 2000000);
  } else {
    for (int i = 0; i < nconns; i += 50) {
      for (int j = i; j < i + 50 && j < nconns; j++) fresh();
      pump(now() + 2000000);
    }
    pump(now() + (int64_t)(warm * 1e9));
    mark_start();
    int64_t end = now() + (int64_t)(secs * 1e9);
    while (now() < end && (count == 0 || nsamples < (size_t)count)) {
      int64_t soon = now() + 10000000;
      pump(soon < end ? soon : end);
    }
    mark_end();
    stopping = 1;
  }
  report();
  return 0;
}
