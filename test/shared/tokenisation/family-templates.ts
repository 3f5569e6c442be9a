// Chat templates of the families that people tune, written anew with the structure that their model cards document: the same
// markers, order, refusals and treatment of thoughts, without what concerns tools only.

export interface FamilyTemplate {
  readonly specialTokens: readonly string[]
  readonly bosToken: string | undefined
  readonly eosToken: string
  readonly template: string
}

/** Llama 3.1/3.2: a header a turn, a system turn with two dates in front, `<|eot_id|>` after each. The date is the clock's if there is one. */
export const LLAMA3: FamilyTemplate = {
  specialTokens: ["<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"],
  bosToken: "<|begin_of_text|>",
  eosToken: "<|eot_id|>",
  template:
    "{{- bos_token }}" +
    "{%- if not date_string is defined %}{%- if strftime_now is defined %}{%- set date_string = strftime_now('%d %b %Y') %}" +
    "{%- else %}{%- set date_string = '26 Jul 2024' %}{%- endif %}{%- endif %}" +
    "{%- if messages[0]['role'] == 'system' %}{%- set system_message = messages[0]['content'] | trim %}{%- set messages = messages[1:] %}" +
    "{%- else %}{%- set system_message = '' %}{%- endif %}" +
    "{{- '<|start_header_id|>system<|end_header_id|>\\n\\n' }}{{- 'Today Date: ' + date_string + '\\n\\n' }}{{- system_message }}{{- '<|eot_id|>' }}" +
    "{%- for message in messages %}{{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' + message['content'] | trim + '<|eot_id|>' }}{%- endfor %}" +
    "{%- if add_generation_prompt %}{{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{%- endif %}",
}

/** Mistral v0.3: [INST] around the user's turns, no header, the system text inside the last user turn, roles must alternate. */
export const MISTRAL: FamilyTemplate = {
  specialTokens: ["<s>", "</s>", "[INST]", "[/INST]"],
  bosToken: "<s>",
  eosToken: "</s>",
  template:
    "{%- if messages[0]['role'] == 'system' %}{%- set system_message = messages[0]['content'] %}{%- set loop_messages = messages[1:] %}" +
    "{%- else %}{%- set loop_messages = messages %}{%- endif %}{{- bos_token }}" +
    "{%- for message in loop_messages %}" +
    "{%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{- raise_exception('After the optional system message, conversation roles must alternate user/assistant/user/assistant/...') }}{%- endif %}" +
    "{%- if message['role'] == 'user' %}{%- if loop.last and system_message is defined %}{{- '[INST] ' + system_message + '\\n\\n' + message['content'] + '[/INST]' }}" +
    "{%- else %}{{- '[INST] ' + message['content'] + '[/INST]' }}{%- endif %}" +
    "{%- elif message['role'] == 'assistant' %}{{- ' ' + message['content'] + eos_token }}" +
    "{%- else %}{{- raise_exception('Only user and assistant roles are supported') }}{%- endif %}{%- endfor %}",
}

/** Qwen2.5: ChatML, with a system turn of its own where the conversation has none; no BOS. */
export const QWEN2: FamilyTemplate = {
  specialTokens: ["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
  bosToken: undefined,
  eosToken: "<|im_end|>",
  template:
    "{%- if messages[0]['role'] == 'system' %}{{- '<|im_start|>system\\n' + messages[0]['content'] + '<|im_end|>\\n' }}" +
    "{%- else %}{{- '<|im_start|>system\\nBe helpful.<|im_end|>\\n' }}{%- endif %}" +
    "{%- for message in messages %}{%- if not (message.role == 'system' and loop.first) %}" +
    "{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}{%- endif %}{%- endfor %}" +
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}",
}

/** Qwen3: thoughts of answers before the last question are left out; the last answer always has a block of thoughts, empty or not. */
export const QWEN3: FamilyTemplate = {
  ...QWEN2,
  template:
    "{%- if messages[0].role == 'system' %}{{- '<|im_start|>system\\n' + messages[0].content + '<|im_end|>\\n' }}{%- endif %}" +
    "{%- set ns = namespace(last_query=0) %}{%- for message in messages %}{%- if message.role == 'user' %}{%- set ns.last_query = loop.index0 %}{%- endif %}{%- endfor %}" +
    "{%- for message in messages %}" +
    "{%- if message.role == 'user' %}{{- '<|im_start|>user\\n' + message.content + '<|im_end|>\\n' }}" +
    "{%- elif message.role == 'assistant' %}{%- set content = message.content %}{%- set reasoning = '' %}" +
    "{%- if message.reasoning_content is string %}{%- set reasoning = message.reasoning_content %}" +
    "{%- elif '</think>' in content %}{%- set reasoning = content.split('</think>')[0].split('<think>')[-1].strip('\\n') %}{%- set content = content.split('</think>')[-1].lstrip('\\n') %}{%- endif %}" +
    "{%- if loop.index0 > ns.last_query and (loop.last or reasoning) %}{{- '<|im_start|>assistant\\n<think>\\n' + reasoning.strip('\\n') + '\\n</think>\\n\\n' + content.lstrip('\\n') }}" +
    "{%- else %}{{- '<|im_start|>assistant\\n' + content }}{%- endif %}{{- '<|im_end|>\\n' }}{%- endif %}{%- endfor %}" +
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}" +
    "{%- if enable_thinking is defined and enable_thinking is false %}{{- '<think>\\n\\n</think>\\n\\n' }}{%- endif %}{%- endif %}",
}

/** A reasoning model whose header opens the thoughts, while its answers are written without them: no prompt is a beginning of the whole. */
export const OPEN_THOUGHTS: FamilyTemplate = {
  ...QWEN2,
  template:
    "{%- for message in messages %}{{- '<|im_start|>' + message.role + '\\n' + message.content.split('</think>')[-1] + '<|im_end|>\\n' }}{%- endfor %}" +
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n<think>\\n' }}{%- endif %}",
}

/** Gemma 2: the answer's role is "model", no system role, roles alternate; the turn's end is not the tokenizer's EOS. */
export const GEMMA: FamilyTemplate = {
  specialTokens: ["<bos>", "<eos>", "<start_of_turn>", "<end_of_turn>"],
  bosToken: "<bos>",
  eosToken: "<eos>",
  template:
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}" +
    "{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}" +
    "{% if (message['role'] == 'assistant') %}{% set role = 'model' %}{% else %}{% set role = message['role'] %}{% endif %}" +
    "{{ '<start_of_turn>' + role + '\\n' + message['content'] | trim + '<end_of_turn>\\n' }}{% endfor %}" +
    "{% if add_generation_prompt %}{{'<start_of_turn>model\\n'}}{% endif %}",
}
