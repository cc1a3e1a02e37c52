package cli

import (
	"context"
	"errors"
)

func runAgent(context.Context, streams, []string) error { return errors.New("not built yet") }
func runDemo(context.Context, streams, []string) error  { return errors.New("not built yet") }
