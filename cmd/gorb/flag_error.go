package main

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/pflag"
)

// taken is what the flags of a type take, where pflag's error tells of functions of Go instead.
var taken = map[string]string{
	"bool":     "true or false; without a value it is true",
	"int":      "a whole number",
	"int64":    "a whole number",
	"uint":     "a whole number from 0",
	"duration": "a duration such as 30s or 5m",
}

// flagError says of a flag with a value that it does not take what it does.
func flagError(err error) error {
	wrong, ok := errors.AsType[*pflag.InvalidValueError](err)
	if !ok {
		return err
	}
	f := wrong.GetFlag()
	takes, known := taken[f.Value.Type()]
	if !known {
		return err
	}
	name := "--" + f.Name
	if f.Shorthand != "" {
		name = "-" + f.Shorthand + ", " + name
	}
	return fmt.Errorf("%s: %s is not what it takes, which is %s", name, strconv.Quote(wrong.GetValue()), takes)
}
