package hclfile

// Blocks that give values to expressions: variable, locals, dynamic.

func variableBlock() *Block {
	return &Block{
		Name:   "variable",
		Label:  "name",
		Static: true,
		Doc:    "A value that is given from outside; `var.NAME` refers to it. A later way to give it beats an earlier one: the default, `STOPOVER_VAR_NAME` in the environment, `stopover.auto.vars.hcl`, other `*.auto.vars.hcl` files in the order of their names, and `--var-file` and `--var` in the order of the command line. Files ending in `.json` too hold values.",
		Example: `variable "contact" {
  type        = string
  description = "Who is told of outages."

  validation {
    condition     = strcontains(var.contact, "@")
    error_message = "The contact must be an address of mail."
  }
}`,
		Attrs: []Attr{
			{Name: "type", Type: TypeKind, Default: "any", Example: `type = list(string)`,
				Doc: "`string`, `number`, `bool`, `list(…)`, `set(…)`, `map(…)`, `tuple([…])`, `object({…})` with `optional(…)` attributes, or `any`. The value is converted to it."},
			{Name: "default", Type: TypeAny, Example: `default = ["*"]`,
				Doc: "The value when none is given. Without one, the variable has to be given."},
			{Name: "description", Type: TypeString, Example: `description = "Who is told of outages."`, Doc: "What people read."},
			{Name: "sensitive", Type: TypeBool, Default: "false", Example: `sensitive = true`,
				Doc: "The value is never printed, and cannot stand where a plan would hold it. An option that takes a secret takes the variable if its value comes from the environment: what is kept then is the name `STOPOVER_VAR_NAME`."},
			{Name: "nullable", Type: TypeBool, Default: "true", Example: `nullable = false`,
				Doc: "Whether the value may be `null`. Where it may not, `null` stands for the default."},
		},
		Blocks: []*Block{{
			Name:   "validation",
			Static: true,
			Doc:    "A rule for the value. It may refer to other variables too.",
			Attrs: []Attr{
				{Name: "condition", Type: TypeCondition, Required: true, Example: `condition = true`, Doc: "What must be true."},
				{Name: "error_message", Type: TypeTemplate, Required: true, Example: `error_message = "It must hold an @."`,
					Doc: "What is said when it is not: how to mend it."},
			},
		}},
	}
}

func localsBlock() *Block {
	return &Block{
		Name:    "locals",
		Static:  true,
		AnyName: true,
		Doc:     "Values with a name; `local.NAME` refers to one. They may refer to variables and to each other, in any order. There may be several blocks.",
		Example: `locals {
  shops = ["shop", "cart"]
  all   = concat(local.shops, ["blog"])
}`,
	}
}

// dynamicName is the block type that makes others.
const dynamicName = "dynamic"

// dynamicBlock is not in the tables of the blocks that it may stand in, since
// it may stand in any that has repeatable blocks.
func dynamicBlock() *Block {
	b := &Block{
		Name:    dynamicName,
		Label:   "block",
		Repeats: true,
		Static:  true,
		Doc:     "Makes a block for each element of a list, set, map or object. It stands wherever such blocks stand, and may be nested.",
		Example: `dynamic "account" {
  for_each = { blog = "10s", shop = "5s" }
  labels   = [account.key]

  content {
    downtime_budget = account.value
  }
}`,
		Attrs: []Attr{
			{Name: "for_each", Type: TypeAny, Required: true, Example: `for_each = ["blog", "shop"]`, Doc: "What there is a block for."},
			{Name: "iterator", Type: TypeString, Default: "the block's type", Example: `iterator = each`,
				Doc: "Name by which the content refers to the element: `NAME.key` and `NAME.value`; in a list the key is the number, in a set both are the element."},
			{Name: "labels", Type: TypeStrings, Example: `labels = [account.value]`, Doc: "The label of each block, in brackets; for blocks that have one."},
		},
		Blocks: []*Block{{Name: "content", Once: true, Static: true, Later: true, Doc: "What stands in each block."}},
	}
	return b.compile()
}
