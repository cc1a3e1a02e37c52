package awslogs

import (
	"fmt"
	"regexp"

	"github.com/berthhq/berth/internal/agent/engine"
)

// target is where a container's output is sent.
type target struct {
	Group       string
	Stream      string
	Region      string
	CreateGroup bool
	// Begins matches the first line of an event; nil means that every line is an event.
	Begins *regexp.Regexp
}

// targetOf parses the options of the awslogs driver. It refuses options that would change the output and are
// not supported. It ignores mode and max-buffer-size, which say what happens when CloudWatch Logs is slower
// than a container: here the container never waits and nothing is dropped, because the output is in Docker's
// file.
func targetOf(taskARN, region string, b engine.Box) (target, error) {
	options := b.AwslogsOptions()
	t := target{
		Group: options["awslogs-group"], Stream: options["awslogs-stream"], Region: options["awslogs-region"],
		CreateGroup: options["awslogs-create-group"] == "true",
	}
	if prefix := options["awslogs-stream-prefix"]; t.Stream == "" && prefix != "" {
		t.Stream = prefix + "/" + b.Def.Name + "/" + engine.TaskID(taskARN)
	}
	if t.Stream == "" {
		t.Stream = b.RuntimeID // ecs.md 7.10
	}
	if t.Region == "" {
		t.Region = region
	}
	if t.Group == "" {
		return t, fmt.Errorf("%w: must specify a value for log opt 'awslogs-group'", engine.ErrLogs)
	}
	for _, name := range []string{"awslogs-format", "tag", "labels", "env"} {
		if options[name] != "" {
			return t, fmt.Errorf("%w: log opt '%s' is not supported by this agent", engine.ErrLogs, name)
		}
	}
	var err error
	if pattern := options["awslogs-multiline-pattern"]; pattern != "" {
		if t.Begins, err = regexp.Compile(pattern); err != nil {
			return t, fmt.Errorf("%w: awslogs-multiline-pattern: %w", engine.ErrLogs, err)
		}
	}
	if format := options["awslogs-datetime-format"]; format != "" {
		if t.Begins, err = datetimePattern(format); err != nil {
			return t, fmt.Errorf("%w: awslogs-datetime-format: %w", engine.ErrLogs, err)
		}
	}
	return t, nil
}
