package cache

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Stats are what a node's process says about itself: counters since its start, and levels now.
type Stats struct {
	PID        string // counters begin anew with another process
	CPUSeconds float64
	counters   map[string]float64 // by the metric of AWS
	levels     map[string]float64
}

// Measure is the value of one of AWS's metrics.
type Measure struct {
	Metric, Unit string
	Value        float64
}

// counters are AWS's metrics of things that happen, by the names in Redis's INFO.
var counters = map[string]string{
	"total_connections_received": "NewConnections", "keyspace_hits": "CacheHits", "keyspace_misses": "CacheMisses",
	"evicted_keys": "Evictions", "expired_keys": "Reclaimed", "total_net_input_bytes": "NetworkBytesIn",
	"total_net_output_bytes": "NetworkBytesOut",
}

// levels are AWS's metrics of what is now.
var levels = map[string]string{"connected_clients": "CurrConnections", "used_memory": "BytesUsedForCache"}

// commands are AWS's metrics of commands, by the commands that each counts.
var commands = map[string]string{
	"GetTypeCmds": "get getex getdel getset mget hget hmget hgetall hvals hkeys hexists hlen hstrlen strlen getrange " +
		"lrange llen lindex smembers sismember scard srandmember zrange zrangebyscore zscore zcard zcount zrank " +
		"exists ttl pttl type scan hscan sscan zscan getbit bitcount pfcount xlen xrange xread geopos geodist",
	"SetTypeCmds": "set setex setnx psetex mset msetnx setrange append incr incrby incrbyfloat decr decrby getset " +
		"getdel " +
		"del unlink expire pexpire expireat pexpireat persist rename renamenx hset hmset hsetnx hincrby " +
		"hincrbyfloat hdel " +
		"lpush rpush lpop rpop lset lrem ltrim linsert rpoplpush lmove sadd srem spop smove zadd zrem zincrby " +
		"zremrangebyscore zremrangebyrank zpopmin zpopmax setbit pfadd pfmerge xadd xdel xtrim geoadd",
	"StringBasedCmds": "get set setex setnx psetex mset msetnx mget getset getdel getex append strlen getrange " +
		"setrange " +
		"incr incrby incrbyfloat decr decrby",
	"HashBasedCmds": "hget hset hmset hmget hgetall hsetnx hdel hexists hlen hstrlen hkeys hvals hincrby " +
		"hincrbyfloat hscan",
	"ListBasedCmds": "lpush rpush lpop rpop llen lrange lindex lset lrem ltrim linsert rpoplpush lmove blpop brpop",
	"SetBasedCmds":  "sadd srem smembers sismember smismember scard spop srandmember smove sinter sunion sdiff sscan",
	"SortedSetBasedCmds": "zadd zrem zrange zrangebyscore zscore zcard zcount zrank zincrby zrevrange " +
		"zremrangebyscore " +
		"zremrangebyrank zpopmin zpopmax zscan",
	"PubSubBasedCmds": "publish spublish subscribe unsubscribe psubscribe punsubscribe ssubscribe sunsubscribe pubsub",
	"StreamBasedCmds": "xadd xread xreadgroup xrange xrevrange xlen xdel xtrim xack xgroup xinfo xpending xclaim " +
		"xautoclaim",
	"KeyBasedCmds": "del unlink exists expire pexpire expireat pexpireat persist ttl pttl type rename renamenx " +
		"keys scan " +
		"randomkey touch copy dump restore",
	"EvalBasedCmds":        "eval evalsha fcall eval_ro evalsha_ro fcall_ro",
	"GeoSpatialBasedCmds":  "geoadd geodist geopos geohash geosearch georadius georadiusbymember",
	"HyperLogLogBasedCmds": "pfadd pfcount pfmerge",
}

// metricsOf are the metrics that count a command.
var metricsOf = func() map[string][]string {
	of := make(map[string][]string)
	for metric, names := range commands {
		for name := range strings.FieldsSeq(names) {
			of[name] = append(of[name], metric)
		}
	}
	return of
}()

// ParseStats reads the members of Redis's INFO all.
func ParseStats(info map[string]string) Stats {
	s := Stats{
		PID: info["process_id"], CPUSeconds: number(info["used_cpu_sys"]) + number(info["used_cpu_user"]),
		counters: make(map[string]float64), levels: make(map[string]float64),
	}
	for metric := range commands {
		s.counters[metric] = 0
	}
	for name, text := range info {
		if metric := counters[name]; metric != "" {
			s.counters[metric] = number(text)
		}
		if metric := levels[name]; metric != "" {
			s.levels[metric] = number(text)
		}
		if command, ok := strings.CutPrefix(name, "cmdstat_"); ok {
			command, _, _ = strings.Cut(command, "|")
			for _, metric := range metricsOf[command] {
				s.counters[metric] += member(text, "calls")
			}
		}
		if strings.HasPrefix(name, "db") && strings.HasPrefix(text, "keys=") {
			s.levels["CurrItems"] += member(text, "keys")
		}
	}
	if most := number(info["maxmemory"]); most > 0 {
		s.levels["DatabaseMemoryUsagePercentage"] = 100 * number(info["used_memory"]) / most
	}
	return s
}

func number(text string) float64 {
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// member returns a number of a text such as "keys=1,expires=0".
func member(text, name string) float64 {
	for part := range strings.SplitSeq(text, ",") {
		if value, ok := strings.CutPrefix(part, name+"="); ok {
			return number(value)
		}
	}
	return 0
}

// units are those of metrics that are not counts.
var units = map[string]string{
	"NetworkBytesIn": "Bytes", "NetworkBytesOut": "Bytes", "BytesUsedForCache": "Bytes",
	"DatabaseMemoryUsagePercentage": "Percent",
}

// Since returns the metrics of the time since an earlier look, in the order of their names. Things that happened are
// missing if before is nil or of another process.
func (s Stats) Since(before *Stats, took time.Duration) (all []Measure) {
	add := func(metric string, value float64) {
		unit := units[metric]
		if unit == "" {
			unit = "Count"
		}
		all = append(all, Measure{metric, unit, value})
	}
	for _, metric := range slices.Sorted(maps.Keys(s.levels)) {
		add(metric, s.levels[metric])
	}
	if before == nil || before.PID != s.PID || took <= 0 {
		return all
	}
	for _, metric := range slices.Sorted(maps.Keys(s.counters)) {
		add(metric, max(0, s.counters[metric]-before.counters[metric]))
	}
	all = append(all, Measure{"EngineCPUUtilization", "Percent",
		100 * max(0, s.CPUSeconds-before.CPUSeconds) / took.Seconds()})
	return all
}
