// Runs a health check of Argo CD as Argo CD does: a Lua script (gopher-lua, basic libraries only) that sees an object as `obj`. Reads
// `{"script": ..., "object": ...}` on standard input and prints the `status` that the script answers.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	lua "github.com/yuin/gopher-lua"
)

func value(state *lua.LState, from any) lua.LValue {
	switch from := from.(type) {
	case nil:
		return lua.LNil
	case bool:
		return lua.LBool(from)
	case float64:
		return lua.LNumber(from)
	case string:
		return lua.LString(from)
	case []any:
		table := state.NewTable()
		for _, item := range from {
			table.Append(value(state, item))
		}
		return table
	case map[string]any:
		table := state.NewTable()
		for name, item := range from {
			table.RawSetString(name, value(state, item))
		}
		return table
	}
	panic(fmt.Sprintf("%T", from))
}

func run() error {
	var input struct {
		Script string
		Object map[string]any
	}
	if err := json.NewDecoder(os.Stdin).Decode(&input); err != nil {
		return err
	}
	state := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer state.Close()
	for name, open := range map[string]lua.LGFunction{
		lua.BaseLibName: lua.OpenBase, lua.TabLibName: lua.OpenTable, lua.StringLibName: lua.OpenString,
	} {
		if err := state.CallByParam(lua.P{Fn: state.NewFunction(open), Protect: true}, lua.LString(name)); err != nil {
			return err
		}
	}
	state.SetGlobal("obj", value(state, input.Object))
	if err := state.DoString(input.Script); err != nil {
		return err
	}
	answer, ok := state.Get(-1).(*lua.LTable)
	if !ok {
		return fmt.Errorf("the script answers no table")
	}
	fmt.Println(answer.RawGetString("status").String())
	return nil
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
